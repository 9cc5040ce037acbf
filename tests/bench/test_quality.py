from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import get_args

import pytest
import torch

from bench.errors import BenchError
from bench.quality import faithfulness
from model.checkpoint import LoadedModel, ModelSource, load
from model.engine import Precision
from model.linears import runnable
from model.runtime import Runtime, runtime_of
from train.texts import Story

PRECISIONS = [p for p in get_args(Precision) if runnable(p, torch.device("cpu"))]
STORIES = [
    Story("horror", f"{n} steps lead down to the sea, and {n} back. " * 9, n) for n in range(20)
]


@pytest.fixture(scope="module")
def loaded(run_folder: Path, base_folder: Path) -> LoadedModel:
    return load(ModelSource("tiny", base_folder, adapter=run_folder), device="cpu")


def test_the_exact_way_is_the_model_and_the_others_are_near(loaded: LoadedModel) -> None:
    rows = faithfulness(loaded, STORIES, PRECISIONS, 18, 30)
    exact = rows[0]
    assert [row.precision for row in rows] == PRECISIONS
    assert exact.n_tokens == 18 * 29
    assert abs(exact.nll_change) < 1e-5
    assert exact.top1_agreement == 1
    assert abs(exact.kl) < 1e-6
    for row in rows:
        assert row.top1_agreement > 0.9
        assert abs(row.nll_change) < 0.01
    with torch.inference_mode():  # the loss is that of transformers on the same places
        text = torch.tensor(
            [loaded.format.encode_story(s.genre, s.text)[:30] for s in STORIES[:18]]
        )
        logits = loaded.model(input_ids=text).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
    assert exact.nll == pytest.approx(float(loss), rel=1e-5)


def test_a_model_that_says_something_else_is_seen(loaded: LoadedModel) -> None:
    wrong = copy.deepcopy(loaded.model)
    with torch.no_grad():
        for parameter in wrong.parameters():
            parameter.mul_(1 + 0.3 * torch.randn_like(parameter))

    def runtime_of_wrong(model: LoadedModel, precision: Precision) -> Runtime:
        return runtime_of(dataclasses.replace(model, model=wrong), precision)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.quality.runtime_of", runtime_of_wrong)
        (row,) = faithfulness(loaded, STORIES, ["float32"], 8, 30)
    assert row.kl > 0.001
    assert row.top1_agreement < 1


def test_stories_that_are_too_short_are_told(loaded: LoadedModel) -> None:
    with pytest.raises(BenchError, match="No story has 120 tokens; set --tokens lower"):
        faithfulness(loaded, [Story("horror", "A ship.", 1)], PRECISIONS, 8, 120)
