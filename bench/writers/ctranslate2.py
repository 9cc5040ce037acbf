"""CTranslate2 in int8."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.machine import n_threads
from bench.writers.base import SAMPLING, Asked, Plan, Ready


class CTranslate2Writer:
    """One batch a call; converted with the library's own converter."""

    title = "CTranslate2"
    install = "ctranslate2"
    distributions = ("ctranslate2",)
    one_by_one = False
    notes = "nobody can join a batch that has begun; penalises the written tokens, not the prompt's"

    def prepare(self, plan: Plan) -> Ready:
        import ctranslate2
        from ctranslate2.converters import TransformersConverter

        from bench.writers.weights import kept, making, prompt_ids, whole_model

        folder, identity = whole_model(plan.model)
        target = kept(f"ctranslate2-{ctranslate2.__version__}-{identity}")
        if not target.is_dir():
            with making(target) as made:
                TransformersConverter(str(folder)).convert(str(made), quantization="int8")
        return Ready(str(target), "int8", prompt_ids(folder, plan))

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        # Its converters take torch in where it is installed, and would count it as their memory.
        for name in ("torch", "transformers"):
            sys.modules[name] = None  # type: ignore[assignment]
        import ctranslate2

        self._model: Any = ctranslate2.Generator(
            ready.path, device="cpu", compute_type="int8", intra_threads=n_threads()
        )
        vocabulary = Path(ready.path) / "vocabulary.json"
        self._tokens: list[str] = json.loads(vocabulary.read_text(encoding="utf-8"))

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        def step(result: Any) -> bool:
            if result.step == 0:
                shown(result.batch_id)
            return False

        results = self._model.generate_batch(
            [[self._tokens[token] for token in story.prompt_ids] for story in stories],
            max_length=new_tokens,
            min_length=new_tokens,
            sampling_temperature=SAMPLING.temperature,
            sampling_topk=SAMPLING.top_k,
            sampling_topp=SAMPLING.top_p,
            repetition_penalty=SAMPLING.repetition_penalty,
            include_prompt_in_result=False,
            callback=step,
        )
        return [len(result.sequences_ids[0]) for result in results]

    def close(self) -> None:
        del self._model
