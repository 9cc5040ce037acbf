from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest
import torch

import model.ready
from model.checkpoint import ModelSource, load
from model.decoder import Piece
from model.fast_decoder import FastDecoder
from model.general_decoder import GeneralDecoder
from model.linears import runnable
from model.ready import open_runtime
from model.runtime import Runtime

pytestmark = pytest.mark.skipif(
    not runnable("float16", torch.device("cpu")), reason="this CPU has no float16 products"
)


@torch.inference_mode()
def said(runtime: Runtime) -> torch.Tensor:
    none = torch.empty(0, dtype=torch.int64)
    return runtime.decoder.forward(none, none, 0, [Piece(0, 0, [5, 6, 7, 8])])


def opened(source: ModelSource, cache: Path) -> Runtime:
    return open_runtime(source, device="cpu", precision="float16", cache_dir=cache)


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "ready").iterdir())


@pytest.mark.parametrize("model_folder", ["gpt2_folder", "llama_folder", "tied_llama_folder"])
def test_the_second_start_needs_no_checkpoint_and_says_the_same(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model_folder: str,
) -> None:
    source = ModelSource("tiny", request.getfixturevalue(model_folder))
    first = opened(source, tmp_path)
    monkeypatch.delattr(model.ready, "load")
    second = opened(source, tmp_path)
    assert isinstance(second.decoder, FastDecoder)
    assert said(second).equal(said(first))
    assert second.info == first.info
    assert second.format.encode("horror", "x") == first.format.encode("horror", "x")


def test_exact_weights_are_read_as_they_are(gpt2_folder: Path, tmp_path: Path) -> None:
    source = ModelSource("tiny", gpt2_folder)
    runtime = open_runtime(source, device="cpu", precision="float32", cache_dir=tmp_path)
    assert isinstance(runtime.decoder, FastDecoder)
    assert runtime.info.dtype == "float32"
    assert not (tmp_path / "ready").exists()


@pytest.mark.parametrize("damage", ["cut", "gone", "rubbish", "no card", "older layout"])
def test_a_copy_that_is_not_whole_is_made_anew(
    gpt2_folder: Path, tmp_path: Path, damage: str
) -> None:
    source = ModelSource("tiny", gpt2_folder)
    first = said(opened(source, tmp_path))
    (folder,) = kept(tmp_path)
    layer, card = folder / "layer-001.safetensors", folder / "ready.json"
    if damage == "cut":
        os.truncate(layer, layer.stat().st_size // 2)
    elif damage == "gone":
        layer.unlink()
    elif damage == "rubbish":
        layer.write_bytes(b"\xff" * layer.stat().st_size)
    elif damage == "no card":
        card.unlink()
    else:
        text = json.loads(card.read_text())
        del text["architecture"]["norm"]
        card.write_text(json.dumps(text))
    again = opened(source, tmp_path)
    assert said(again).equal(first)
    assert kept(tmp_path) == [folder]
    assert layer.is_file()
    assert card.is_file()


def test_a_model_that_was_trained_on_is_another_one(gpt2_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(gpt2_folder, folder)
    opened(ModelSource("tiny", folder), tmp_path)
    weights = folder / "model.safetensors"
    os.utime(weights, ns=(1, 1))
    opened(ModelSource("tiny", folder), tmp_path)
    assert len(kept(tmp_path)) == 2


def test_what_was_not_used_for_longest_makes_room(gpt2_folder: Path, tmp_path: Path) -> None:
    sources = [ModelSource("tiny", gpt2_folder, f"revision {n}") for n in range(4)]
    folders = []
    for n, source in enumerate(sources[:3]):
        opened(source, tmp_path)
        (new,) = set(kept(tmp_path)) - set(folders)
        folders.append(new)
        os.utime(new / "ready.json", (n, n))
    half_made = tmp_path / "ready" / "making-x"
    half_made.mkdir()
    os.utime(half_made, (1, 1))
    opened(sources[0], tmp_path)  # used again
    opened(sources[3], tmp_path)
    left = kept(tmp_path)
    assert len(left) == 3
    assert folders[0] in left
    assert folders[1] not in left


def test_a_model_of_another_kind_is_not_kept(opt_folder: Path, tmp_path: Path) -> None:
    source = ModelSource("tiny", opt_folder)
    runtime = opened(source, tmp_path)
    assert isinstance(runtime.decoder, GeneralDecoder)
    assert runtime.info == load(source, device="cpu").info
    assert not (tmp_path / "ready").exists()


def test_no_room_for_the_copy_is_no_error(
    gpt2_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ready").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        runtime = opened(ModelSource("tiny", gpt2_folder), tmp_path)
    assert isinstance(runtime.decoder, FastDecoder)
    assert "cannot be kept ready" in caplog.text
