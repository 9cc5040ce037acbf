"""The naive bot: transformers' text-generation pipeline, a story at a time, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.writers.base import SAMPLING, Asked, Plan, Ready
from bench.writers.weights import prompt_ids, whole_model


class PipelineWriter:
    """Shows a story when it is whole, as whoever calls a pipeline in a queue's handler does."""

    title = "transformers pipeline, one by one"
    install = "'cliffhanger[worker]'"
    distributions = ("transformers", "torch")
    one_by_one = True
    notes = "shows a story when it is whole"

    def prepare(self, plan: Plan) -> Ready:
        folder, _ = whole_model(plan.model)
        return Ready(str(folder), "float32", prompt_ids(folder, plan))

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        import torch
        from transformers import pipeline

        self._pipe: Any = pipeline(
            "text-generation", model=ready.path, dtype=torch.float32, device=plan.device
        )

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        from transformers import set_seed

        lengths = []
        for place, story in enumerate(stories):
            set_seed(story.seed)
            output = self._pipe(
                self._pipe.tokenizer.decode(story.prompt_ids),
                return_tensors=True,
                add_special_tokens=False,
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                do_sample=True,
                temperature=SAMPLING.temperature,
                top_k=SAMPLING.top_k,
                top_p=SAMPLING.top_p,
                repetition_penalty=SAMPLING.repetition_penalty,
            )
            ids = output[0]["generated_token_ids"]
            self._pipe.tokenizer.decode(ids)
            shown(place)
            lengths.append(len(ids) - len(story.prompt_ids))
        return lengths

    def close(self) -> None:
        del self._pipe
