"""Our own loop against transformers' modules, in every shape it says it can run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from fakes.random_models import GPT2, KINDS, LLAMA, random_model

from model.architecture import architecture_of, layer_weights, outer_weights
from model.checkpoint import LoadedModel
from model.decoder import Piece
from model.engine import Precision
from model.fast_decoder import FastDecoder
from model.general_decoder import GeneralDecoder, decoder_gap
from model.linears import runnable
from model.runtime import fast_decoder, runtime_of

CPU = torch.device("cpu")
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 2.0}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2 whose layers scale scores": ("GPT2", GPT2 | {"scale_attn_by_inverse_layer_idx": True}),
    "llama whose positions stretch": ("Llama", LLAMA | {"rope_parameters": DYNAMIC}),
    "opt": (
        "OPT",
        {"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
         "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 64},
    ),
}  # fmt: skip


def fast(model: Any, precision: Precision = "float32") -> FastDecoder:
    architecture = architecture_of(model)
    assert architecture is not None
    with torch.inference_mode():
        return FastDecoder(architecture, outer_weights(model), layer_weights(model), precision, CPU)


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_the_model_says(kind: str) -> None:
    model = random_model(*KINDS[kind])
    assert decoder_gap(model, fast(model)) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_does_in_the_operations_a_gpu_has(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16, and nothing that only a CPU has: what runs on a GPU, as far as it can be tried."""
    monkeypatch.setattr("model.linears._has_onednn", lambda: False)
    model = random_model(*KINDS[kind])
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    assert decoder_gap(model, fast(model, "bfloat16")) < 0.05


@pytest.mark.parametrize("kind", OTHERS)
def test_what_it_cannot_run_it_does_not_claim(kind: str) -> None:
    assert architecture_of(random_model(*OTHERS[kind])) is None


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("precision", [p for p in get_args(Precision) if runnable(p, CPU)])
@torch.inference_mode()
def test_rounded_weights_say_nearly_the_same(
    kind: str, precision: Precision, tmp_path: Path
) -> None:
    model = random_model(*KINDS[kind])
    tokens = torch.arange(40) % 90
    plain = model(input_ids=tokens[None]).logits[0, -1].softmax(-1)
    architecture = architecture_of(model)
    assert architecture is not None
    decoder = fast_decoder(
        architecture, outer_weights(model), layer_weights(model), precision, CPU, tmp_path
    )
    none = tokens[:0]
    decoder.forward(none, none, 0, [Piece(0, 0, tokens[:30].tolist())])
    said = decoder.forward(none, none, 0, [Piece(0, 30, tokens[30:].tolist())])[0]
    difference = (said.float().softmax(-1) - plain).abs().sum() / 2
    assert difference < {"float32": 1e-5, "float16": 5e-3, "bfloat16": 0.1}[precision]


@torch.inference_mode()
def test_stories_and_pieces_of_prompts_share_a_pass_far_beyond_the_first_room() -> None:
    model = random_model("Llama", LLAMA | {"max_position_embeddings": 600})
    decoder = fast(model)
    tokens = torch.randint(90, (5, 400), generator=torch.Generator().manual_seed(1))
    plain = model(input_ids=tokens).logits
    none = tokens[0, :0]
    decoder.forward(
        none, none, 0, [Piece(n, 0, tokens[n, : 50 * n + 1].tolist()) for n in range(4)]
    )
    for step in range(1, 20):
        positions = torch.tensor([50 * n + step for n in range(4)])
        piece = Piece(4, (step - 1) * 20, tokens[4, (step - 1) * 20 : step * 20].tolist())
        last = tokens[torch.arange(4), positions]
        said = decoder.forward(last, positions, 151 + step, [piece])
        wanted = torch.cat((plain[torch.arange(4), positions], plain[4, step * 20 - 1][None]))
        torch.testing.assert_close(said, wanted, atol=1e-4, rtol=1e-4)


def gap_of_seven_tenths(model: Any, decoder: FastDecoder) -> float:
    return 0.7


def gap_without_an_operation(model: Any, decoder: FastDecoder) -> float:
    raise NotImplementedError("no polar on this device")


@pytest.mark.parametrize(
    ("gap", "problem"),
    [
        (gap_of_seven_tenths, "is off by 0.7 of the largest logit"),
        (gap_without_an_operation, "does not run here (no polar on this device)"),
    ],
)
def test_a_model_the_loop_gets_wrong_runs_the_slow_way(
    llama: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gap: Any,
    problem: str,
) -> None:
    assert isinstance(runtime_of(llama, "float32").decoder, FastDecoder)
    monkeypatch.setattr("model.general_decoder.decoder_gap", gap)
    with caplog.at_level(logging.WARNING):
        runtime = runtime_of(llama, "float32")
    assert isinstance(runtime.decoder, GeneralDecoder)
    assert runtime.info == llama.info
    assert f"tiny-llama runs the slow way: our own loop {problem}" in caplog.text
