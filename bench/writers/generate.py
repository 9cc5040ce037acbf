"""transformers' `generate` over one padded batch, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.writers.base import SAMPLING, Asked, Plan, Ready
from bench.writers.weights import prompt_ids, whole_model


class GenerateWriter:
    """A static batch: nobody joins it, and it ends with its longest story."""

    title = "transformers generate, static batch"
    install = "'cliffhanger[worker]'"
    distributions = ("transformers", "torch")
    one_by_one = False
    notes = "nobody can join a batch that has begun"

    def prepare(self, plan: Plan) -> Ready:
        folder, _ = whole_model(plan.model)
        return Ready(str(folder), "float32", prompt_ids(folder, plan))

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        model: Any = AutoModelForCausalLM.from_pretrained(
            ready.path, dtype=torch.float32, local_files_only=True
        )
        self._model = model.to(plan.device)

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        import torch
        from transformers import set_seed

        width = max(len(story.prompt_ids) for story in stories)
        padding = [width - len(story.prompt_ids) for story in stories]
        rows = [[0] * left + story.prompt_ids for left, story in zip(padding, stories, strict=True)]
        mask = [[0] * left + [1] * (width - left) for left in padding]
        set_seed(stories[0].seed)
        output = self._model.generate(
            torch.tensor(rows, device=self._model.device),  # (B, T)
            attention_mask=torch.tensor(mask, device=self._model.device),
            streamer=_FirstTokens(len(stories), shown),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=True,
            temperature=SAMPLING.temperature,
            top_k=SAMPLING.top_k,
            top_p=SAMPLING.top_p,
            repetition_penalty=SAMPLING.repetition_penalty,
            pad_token_id=0,
        )
        return [output.shape[1] - width] * len(stories)

    def close(self) -> None:
        del self._model


class _FirstTokens:
    """A streamer for `generate`, which puts the prompts first and then each step's tokens."""

    def __init__(self, n_stories: int, shown: Callable[[int], None]) -> None:
        self._n_stories = n_stories
        self._shown = shown
        self._n_put = 0

    def put(self, _tokens: Any) -> None:
        self._n_put += 1
        if self._n_put == 2:
            for place in range(self._n_stories):
                self._shown(place)

    def end(self) -> None:
        """Nothing is held back."""
