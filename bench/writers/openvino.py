"""OpenVINO GenAI's continuous batching, with its own defaults for this CPU, in int8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.writers.base import SAMPLING, Asked, Plan, Ready


class OpenVinoWriter:
    """Reads a model exported by optimum-intel, or the GGUF with its matrices in Q8_0."""

    title = "OpenVINO GenAI, continuous batching"
    install = "openvino-genai"
    distributions = ("openvino-genai", "openvino")
    one_by_one = False
    notes = "its key-value cache is 8-bit and its arithmetic bfloat16 where the CPU has it"

    def prepare(self, plan: Plan) -> Ready:
        import openvino_genai  # noqa: F401 - to know before the work that it is there

        from bench.writers.weights import (
            gguf_file,
            gguf_prompt_ids,
            kept,
            making,
            prompt_ids,
            whole_model,
        )

        if plan.openvino_model is not None:
            if not (Path(plan.openvino_model) / "openvino_model.xml").is_file():
                raise BenchError(f"{plan.openvino_model} has no openvino_model.xml")
            folder, _ = whole_model(plan.model)
            return Ready(plan.openvino_model, "exported", prompt_ids(folder, plan))
        gguf = gguf_file(plan)
        target = kept(f"{gguf.stem}-as.Q8_0.gguf")
        if not target.is_file():
            with making(target) as made:
                _requantise(gguf, made)
        return Ready(str(target), "int8 (Q8_0 GGUF)", gguf_prompt_ids(plan))

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        import openvino_genai

        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs = n_stories
        self._pipe: Any = openvino_genai.ContinuousBatchingPipeline(ready.path, scheduler, "CPU")

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        handles = [
            self._pipe.add_request(place, *_request(story, new_tokens))
            for place, story in enumerate(stories)
        ]
        lengths = [0] * len(stories)
        while self._pipe.has_non_finished_requests():
            self._pipe.step()
            for place, handle in enumerate(handles):
                if not handle.can_read():
                    continue
                for output in handle.read().values():
                    if not lengths[place]:
                        shown(place)
                    lengths[place] += len(output.generated_ids)
        return lengths

    def close(self) -> None:
        del self._pipe


def _request(story: Asked, new_tokens: int) -> tuple[Any, Any]:
    """A story as `add_request` takes it: token ids (1, T) and its configuration."""
    import numpy
    import openvino
    import openvino_genai

    config = openvino_genai.GenerationConfig(
        max_new_tokens=new_tokens,
        ignore_eos=True,
        do_sample=True,
        temperature=SAMPLING.temperature,
        top_k=SAMPLING.top_k,
        top_p=SAMPLING.top_p,
        repetition_penalty=SAMPLING.repetition_penalty,
        rng_seed=story.seed,
    )
    return openvino.Tensor(numpy.array([story.prompt_ids], dtype=numpy.int64)), config


def _requantise(gguf: Path, target: Path) -> None:
    """Write `gguf` anew with all its matrices in Q8_0, the rest in float32."""
    from gguf import (
        GGML_QUANT_VERSION,
        GGMLQuantizationType,
        GGUFReader,
        GGUFValueType,
        GGUFWriter,
        LlamaFileType,
    )
    from gguf.quants import dequantize, quantize

    reader = GGUFReader(gguf)
    eight_bit = GGMLQuantizationType.Q8_0
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    for field in reader.fields.values():
        if field.name.startswith(("GGUF.", "general.")):  # of the file, not of the model
            continue
        kind, inner = field.types[0], field.types[-1]
        inside = inner if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inside)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        if values.ndim == 2:
            writer.add_tensor(tensor.name, quantize(values, eight_bit), raw_dtype=eight_bit)
        else:
            writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
