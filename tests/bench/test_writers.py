from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from bench.errors import BenchError
from bench.writers import PEERS, writer
from bench.writers.base import Plan

PLAN = Plan("default", [("horror", "Rain.")], 8)
WORDS = ["a", "b", "c"]


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file with a matrix in four bits, a vector in float32, and a vocabulary."""
    path = tmp_path / "thing.Q4_1.gguf"
    file = GGUFWriter(path, "llama")
    file.add_name("a thing")
    file.add_file_type(3)
    file.add_block_count(2)
    file.add_token_list(WORDS)
    numbers = np.random.default_rng(5).normal(size=(4, 64)).astype(np.float32)
    four_bit = GGMLQuantizationType.Q4_1
    file.add_tensor("matrix", quantize(numbers, four_bit), raw_dtype=four_bit)
    file.add_tensor("vector", np.arange(3, dtype=np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def test_every_peer_says_what_it_is() -> None:
    for name in PEERS:
        made = writer(name)
        assert made.title and made.install and made.distributions, name


def test_openvino_reads_the_same_weights_in_eight_bits(
    gguf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino_genai", ModuleType("openvino_genai"))
    monkeypatch.setattr("bench.writers.weights.gguf_prompt_ids", lambda plan: [[7]])
    plan = Plan("default", PLAN.prompts, 8, gguf=str(gguf))
    ready = writer("openvino").prepare(plan)
    assert (ready.path, ready.prompt_ids) == (str(cache / "thing.Q4_1-as.Q8_0.gguf"), [[7]])
    before, after = GGUFReader(gguf), GGUFReader(ready.path)
    kept = ("general.architecture", "llama.block_count", "tokenizer.ggml.tokens")
    assert [after.fields[name].contents() for name in kept] == ["llama", 2, WORDS]
    assert after.fields["general.file_type"].contents() == 7  # mostly Q8_0
    (matrix, vector), (old, _) = after.tensors, before.tensors
    assert matrix.tensor_type == GGMLQuantizationType.Q8_0
    numbers = dequantize(matrix.data, matrix.tensor_type)
    assert np.allclose(numbers, dequantize(old.data, old.tensor_type), atol=0.02)
    assert vector.data.tolist() == [0, 1, 2]
    made = Path(ready.path).stat().st_mtime_ns
    assert writer("openvino").prepare(plan) == ready  # what is there is not made again
    assert Path(ready.path).stat().st_mtime_ns == made


def test_a_folder_that_openvino_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino_genai", ModuleType("openvino_genai"))
    with pytest.raises(BenchError, match=r"has no openvino_model\.xml"):
        writer("openvino").prepare(Plan("default", PLAN.prompts, 8, openvino_model=str(tmp_path)))


def test_llama_cpp_is_named_by_its_file(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", ModuleType("llama_cpp"))
    monkeypatch.setattr("bench.writers.weights.gguf_prompt_ids", lambda plan: [[7]])
    ready = writer("llama-cpp").prepare(Plan("default", PLAN.prompts, 8, gguf=str(gguf)))
    assert (ready.path, ready.about) == (str(gguf), "Q4_1")
