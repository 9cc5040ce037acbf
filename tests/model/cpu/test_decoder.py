"""The kernels against transformers' modules, in every shape they say they can run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.random_models import KINDS, LLAMA, random_model

from model import cpu
from model.architecture import architecture_of, layer_weights, outer_weights
from model.decoder import Piece
from model.fast_decoder import FastDecoder
from model.general_decoder import decoder_gap
from model.runtime import fast_decoder

if not cpu.available():
    pytest.skip("no kernels can be compiled here", allow_module_level=True)

from model.cpu import kernels
from model.cpu.decoder import CpuDecoder

CPU = torch.device("cpu")
NONE = torch.empty(0, dtype=torch.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kernels are kept, compiled once for all tests here."""
    return tmp_path_factory.mktemp("kernels")


def of_kernels(model: Any, folder: Path) -> CpuDecoder:
    architecture = architecture_of(model)
    assert architecture is not None
    with torch.inference_mode():
        weights = outer_weights(model), layer_weights(model)
        decoder = fast_decoder(architecture, *weights, "bfloat16", CPU, folder)
    assert isinstance(decoder, CpuDecoder)
    return decoder


def with_rounded_weights(model: Any) -> Any:
    """What is left between it and the kernels is what they round on the way."""
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_the_model_says(kind: str, folder: Path) -> None:
    model = with_rounded_weights(random_model(*KINDS[kind]))
    assert decoder_gap(model, of_kernels(model, folder)) < 0.05


LONG = LLAMA | {"max_position_embeddings": 600}


@torch.inference_mode()
def test_a_story_is_the_same_alone_and_in_company_over_many_pages(folder: Path) -> None:
    """To the last bit, whoever else is in the pass, and near what the model says."""
    model = with_rounded_weights(random_model("Llama", LONG))
    tokens = torch.randint(90, (20, 120), generator=torch.Generator().manual_seed(1))
    together, alone = of_kernels(model, folder), of_kernels(model, folder)
    for story in range(20):
        rows = torch.arange(story)
        piece = Piece(story, 0, tokens[story, : 3 * story + 2].tolist())
        before = 3 * rows + 1 + story - rows  # each has written one token in each pass since
        together.forward(tokens[rows, before], before, 200, [piece])
    rows = torch.arange(20)
    places = 3 * rows + 1 + 20 - rows
    said = together.forward(tokens[rows, places], places, 200, []).clone()
    plain = model(input_ids=tokens).logits
    for story in rows.tolist():
        place = int(places[story])
        alone.forward(NONE, NONE, 0, [Piece(0, 0, tokens[story, :place].tolist())])
        last = alone.forward(tokens[story, place : place + 1], places[story : story + 1], 200, [])
        assert torch.equal(last[0], said[story])
        alone.release()
        gap = (said[story] - plain[story, place]).abs().max() / plain.abs().max()
        assert gap < 0.05


@torch.inference_mode()
def test_slots_that_a_pass_does_not_name_keep_what_they_hold(folder: Path) -> None:
    decoder = of_kernels(random_model(*KINDS["llama"]), folder)
    prompts = [list(range(n, n + 40)) for n in range(4)]
    first = decoder.forward(NONE, NONE, 0, [Piece(2, 0, prompts[2]), Piece(0, 0, prompts[0])])
    wanted = decoder.forward(NONE, NONE, 0, [Piece(0, 40, [7]), Piece(2, 40, [8])]).clone()
    decoder.release()
    for slot in (3, 1, 0, 2):
        decoder.forward(NONE, NONE, 0, [Piece(slot, 0, prompts[slot])])
    decoder.move(3, 1, 40)
    assert torch.equal(decoder.forward(NONE, NONE, 0, [Piece(2, 40, [8])])[0], wanted[1])
    said = decoder.forward(torch.tensor([7]), torch.tensor([40]), 41, [])
    assert torch.equal(said[0], wanted[0])
    assert first.shape == (2, 90)


@torch.inference_mode()
def test_any_number_of_threads_says_the_same(folder: Path) -> None:
    decoder = of_kernels(random_model(*KINDS["llama"]), folder)
    piece = Piece(0, 0, list(range(50)))
    said = []
    for n_threads in (1, 2, 3, 7):
        torch.set_num_threads(n_threads)
        said.append(decoder.forward(NONE, NONE, 0, [piece]).clone())
    torch.set_num_threads(1)
    assert all(torch.equal(said[0], other) for other in said[1:])


@torch.inference_mode()
def test_memory_that_held_nan_harms_nobody_after(folder: Path) -> None:
    decoder = of_kernels(random_model(*KINDS["llama"]), folder)
    said = decoder.forward(NONE, NONE, 0, [Piece(0, 0, list(range(45)))]).clone()
    held = [*decoder._pages._free, *decoder._pages._slots[0]]
    assert len(held) >= 2
    for page in held:
        page.fill_(0xFF)  # in bfloat16: NaN
    assert torch.equal(decoder.forward(NONE, NONE, 0, [Piece(0, 0, list(range(45)))]), said)


@torch.inference_mode()
def test_nan_stays_in_its_own_row(folder: Path) -> None:
    model = random_model(*KINDS["llama"])
    decoder = of_kernels(model, folder)
    pieces = [Piece(0, 0, [1, 2]), Piece(1, 0, [3, 4, 5])]
    clean = decoder.forward(NONE, NONE, 0, pieces).clone()
    model.model.embed_tokens.weight.data[3] = torch.nan
    said = of_kernels(model, folder).forward(NONE, NONE, 0, pieces)
    assert torch.equal(said[0], clean[0])
    assert said[1].isnan().all()


def test_a_model_of_odd_sizes_runs_in_float32(folder: Path) -> None:
    model = random_model("Llama", LLAMA | {"hidden_size": 40})
    architecture = architecture_of(model)
    assert architecture is not None
    with torch.inference_mode():
        weights = outer_weights(model), layer_weights(model)
        decoder = fast_decoder(architecture, *weights, "bfloat16", CPU, folder)
        assert isinstance(decoder, FastDecoder)
        assert decoder.precision == "float32"
        assert decoder_gap(model, decoder) < 1e-5


# --- What is compiled, and where it is kept ---


def test_a_kept_kernel_is_read_until_the_source_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(*KINDS["llama"])
    of_kernels(model, folder)
    kept = sorted((folder / "kernels").rglob("*.nbc"))
    kernels.pass_kernel.cache_clear()
    of_kernels(model, folder)
    assert sorted((folder / "kernels").rglob("*.nbc")) == kept
    kernels.pass_kernel.cache_clear()
    for module in (kernels, sys.modules["model.cpu.decoder"]):
        monkeypatch.setattr(module, "version", lambda: 7)
    changed = of_kernels(model, folder)
    kernels.pass_kernel.cache_clear()
    assert len(sorted((folder / "kernels").rglob("*.nbc"))) == len(kept) + 1
    assert decoder_gap(model, changed) < 0.3


def test_it_runs_where_no_kernel_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("a file, where a folder should be")
    kernels.pass_kernel.cache_clear()
    model = random_model(*KINDS["llama"])
    assert decoder_gap(model, of_kernels(model, tmp_path)) < 0.3
    kernels.pass_kernel.cache_clear()


PLAIN = """
import sys, torch
from pathlib import Path
from fakes.random_models import KINDS, random_model
from model.architecture import architecture_of, layer_weights, outer_weights
from model.cpu.products import has_dot_products
from model.cpu.decoder import CpuDecoder
from model.engine import SamplingParams
from model.general_decoder import decoder_gap
from model.sampling import BatchSampling, next_tokens
assert not has_dot_products()
model = random_model(*KINDS["llama"])
for parameter in model.parameters():
    parameter.data = parameter.data.bfloat16().float()
with torch.inference_mode():
    weights = outer_weights(model), layer_weights(model)
    decoder = CpuDecoder(architecture_of(model), *weights, Path(sys.argv[1]))
    print(decoder_gap(model, decoder))
    logits, seen, rolls = torch.randn(9, 5000), torch.randint(5000, (9, 7)), torch.rand(9)
    rows = BatchSampling.of([SamplingParams()] * 9, 5000, torch.device("cpu"))
    said = decoder.next_tokens(logits.clone(), seen, rolls, rows)
    assert torch.equal(said, next_tokens(logits, seen, rolls, rows))
"""


@pytest.mark.timeout(180)  # it compiles beside whatever else the machine is at
def test_a_processor_without_bfloat16_says_the_same(tmp_path: Path) -> None:
    """An older processor than this one, as far as the compiler is told."""
    environment = os.environ | {
        "NUMBA_CPU_NAME": "x86-64-v3" if os.uname().machine == "x86_64" else "generic",
        "PYTHONPATH": f"{Path(__file__).parents[3]}:{Path(__file__).parents[2]}",
    }
    run = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 0.05
