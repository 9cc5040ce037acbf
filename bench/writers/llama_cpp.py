"""llama.cpp: all stories in one context, one decode a step, through its C interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.errors import BenchError
from bench.machine import n_threads
from bench.writers.base import SAMPLING, Asked, Plan, Ready


class LlamaCppWriter:
    """Continuous batching as llama.cpp's own server does it, without the server."""

    title = "llama.cpp, parallel sequences"
    install = "llama-cpp-python"
    distributions = ("llama-cpp-python",)
    one_by_one = False
    notes = "weights as its file has them; no adapter in the default model's"

    def prepare(self, plan: Plan) -> Ready:
        import llama_cpp  # noqa: F401 - to know before the work that it is there

        from bench.writers.weights import gguf_file, gguf_prompt_ids

        gguf = gguf_file(plan)
        return Ready(str(gguf), gguf.stem.rpartition(".")[2], gguf_prompt_ids(plan))

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        import llama_cpp

        self._lib: Any = llama_cpp
        self._silence = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._silence, None)
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        self._model: Any = llama_cpp.llama_model_load_from_file(ready.path.encode(), settings)
        if not self._model:
            raise BenchError(f"llama.cpp cannot load {ready.path}")
        prompts = [len(ids) for ids in ready.prompt_ids or []]
        self._n_context = max(prompts) + plan.new_tokens
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = n_stories * self._n_context
        context.n_seq_max = n_stories
        # All prompts in one step.
        context.n_batch = max(n_stories * max(prompts), context.n_batch)
        context.n_threads = context.n_threads_batch = n_threads()
        self._context: Any = llama_cpp.llama_init_from_model(self._model, context)
        if not self._context:
            raise BenchError(f"llama.cpp has no room for {n_stories} stories")
        self._batch = llama_cpp.llama_batch_init(context.n_batch, 0, 1)

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        lib = self._lib
        lib.llama_memory_clear(lib.llama_get_memory(self._context), True)
        samplers = [self._sampler(story) for story in stories]
        lengths = [0] * len(stories)
        # What goes into the next step: (story, position, token) and whether it is read from.
        rows = [
            (place, position, token, position == len(story.prompt_ids) - 1)
            for place, story in enumerate(stories)
            for position, token in enumerate(story.prompt_ids)
        ]
        while rows:
            self._decode(rows)
            following = []
            for row, (place, position, _, is_read) in enumerate(rows):
                if not is_read:
                    continue
                token = lib.llama_sampler_sample(samplers[place], self._context, row)
                lengths[place] += 1
                if lengths[place] == 1:
                    shown(place)
                if lengths[place] < new_tokens:
                    following.append((place, position + 1, token, True))
            rows = following
        for sampler in samplers:
            lib.llama_sampler_free(sampler)
        return lengths

    def _decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        batch = self._batch
        batch.n_tokens = len(rows)
        for row, (place, position, token, is_read) in enumerate(rows):
            batch.token[row], batch.pos[row] = token, position
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, place
            batch.logits[row] = is_read
        if failure := self._lib.llama_decode(self._context, batch):
            raise BenchError(f"llama_decode failed with {failure}")

    def _sampler(self, story: Asked) -> Any:
        """A chain with the product's filters: one order of them, one distribution."""
        lib = self._lib
        n_words = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self._model))
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for sampler in (
            lib.llama_sampler_init_penalties(
                n_words, self._n_context, SAMPLING.repetition_penalty, 0.0, 0.0
            ),
            lib.llama_sampler_init_top_k(SAMPLING.top_k),
            lib.llama_sampler_init_temp(SAMPLING.temperature),
            lib.llama_sampler_init_top_p(SAMPLING.top_p, 1),
            lib.llama_sampler_init_dist(story.seed),
        ):
            lib.llama_sampler_chain_add(chain, sampler)
        for token in story.prompt_ids:
            lib.llama_sampler_accept(chain, token)
        return chain

    def close(self) -> None:
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)
