"""Our engine, through its public interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from bench.stories import exactly, write
from bench.writers.base import Asked, Plan, Ready
from model.torch_engine import open_engine


class EngineWriter:
    """`model.torch_engine`, with as many slots as there are stories."""

    title = "cliffhanger"
    install = "'cliffhanger[worker]'"
    distributions = ("cliffhanger", "torch", "transformers")
    one_by_one = False
    notes = ""

    def prepare(self, plan: Plan) -> Ready:
        self._open(plan, 1)
        info = self._engine.info
        self.close()
        about = info.dtype if info.device == "cpu" else f"{info.dtype} on {info.device}"
        return Ready(plan.model, about)

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        self._open(plan, n_stories)

    def _open(self, plan: Plan, slots: int) -> None:
        self._loop = asyncio.Runner()
        self._engine = open_engine(
            plan.model, device=plan.device, precision=plan.precision, slots=slots
        )
        self._loop.run(self._engine.__aenter__())

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        return self._loop.run(self._write(stories, new_tokens, shown))

    async def _write(
        self, asked: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        written = await asyncio.gather(
            *(
                write(
                    self._engine,
                    exactly(story.prompt, new_tokens, story.seed),
                    partial(shown, place),
                )
                for place, story in enumerate(asked)
            )
        )
        return [story.n_tokens for story in written]

    def close(self) -> None:
        self._loop.run(self._engine.__aexit__())
        self._loop.close()
