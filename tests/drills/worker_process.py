"""A worker as `cliffhanger worker` runs it, with an engine that takes its time; run as a script.

It writes `telling(prompt)`, a word every STEP_S seconds. A prompt with "poison" in it kills the
process at its third word. SIGUSR1 makes its wall clock jump: an hour on, then two hours back, and
so on.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time

from bot.house import run_worker
from bot.queue import pulse
from bot.settings import load_settings
from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

N_WORDS = 40


def telling(prompt: str) -> str:
    """What a story of `prompt` goes on with; no word comes twice."""
    return "".join(f" {prompt.split()[-1]}-{n}" for n in range(N_WORDS)) + "."


def _tell(request: GenerationRequest) -> str:
    if "poison" in request.prompt:
        loop = asyncio.get_running_loop()
        loop.call_later(3 * STEP_S, os.kill, os.getpid(), signal.SIGKILL)
    return telling(request.prompt)


async def _step() -> None:
    await asyncio.sleep(STEP_S)


def _let_the_clock_jump() -> None:
    true_time, jumps = time.time, itertools.cycle([3600.0, -3600.0])
    offset = 0.0

    def jump(*_: object) -> None:
        nonlocal offset
        offset = next(jumps)

    time.time = lambda: true_time() + offset
    signal.signal(signal.SIGUSR1, jump)


if __name__ == "__main__":
    STEP_S = float(os.environ["STEP_S"])
    pulse.LOST_AFTER_S = float(os.environ["LOST_AFTER_S"])
    _let_the_clock_jump()
    settings = load_settings()
    engine = ScriptedEngine(_tell, slots=settings.slots, step=_step)
    asyncio.run(run_worker(settings, engine))
