from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from model.genres import DEFAULT_GENRES
from model.prompt import PromptFormat
from train.base_model import open_base
from train.dataset import IGNORED, Collator, Piece, best_fit, cut, line_by_line, packed
from train.recipe import Recipe
from train.texts import Story, read_stories

SEED_TEXT = Path(__file__).parents[3] / "shared/data/genre_plots.txt"
BLOCK = 96


@pytest.fixture(scope="module")
def text(llama_folder: Path) -> PromptFormat:
    return open_base(
        Recipe(model_name_or_path=str(llama_folder)), DEFAULT_GENRES, bfloat16=False
    ).text


def story(words: str, genre: str = "horror") -> Story:
    return Story(genre, words, 1)


# --- Cutting and packing ---


def test_a_short_story_is_one_piece(text: PromptFormat) -> None:
    rows = packed([story("It was a dark night.")], text, BLOCK)
    [piece] = rows[0]["row"]
    assert piece.ids == text.encode_story("horror", "It was a dark night.")
    assert piece.n_given == 2
    assert rows.n_bytes == 20


@given(n_ids=st.integers(3, 300), block_size=st.integers(8, 100))
def test_a_cut_story_has_every_token_as_a_target_once(n_ids: int, block_size: int) -> None:
    ids = list(range(n_ids))
    pieces = cut(ids, 2, block_size)
    assert [i for piece in pieces for i in piece.ids[piece.n_given :]] == ids[2:]
    assert all(1 < len(piece.ids) <= block_size for piece in pieces)


@given(
    lengths=st.lists(st.integers(2, 40), min_size=1, max_size=80), block_size=st.integers(40, 64)
)
def test_every_piece_is_packed_once_and_fits(lengths: list[int], block_size: int) -> None:
    pieces = [Piece([number] * length, 1) for number, length in enumerate(lengths)]
    rows = best_fit(pieces, block_size)
    assert sorted(piece.ids[0] for row in rows for piece in row) == list(range(len(lengths)))
    used = [sum(len(piece.ids) for piece in row) for row in rows]
    assert max(used) <= block_size
    # No two rows could have been one: best fit opens a row only where none has room.
    assert len(used) < 2 or sum(sorted(used)[:2]) > block_size


@pytest.mark.skipif(not SEED_TEXT.is_file(), reason="the shared data is not beside the project")
def test_almost_nothing_is_padding(text: PromptFormat) -> None:
    stories = read_stories(SEED_TEXT, DEFAULT_GENRES)
    assert 0 < packed(stories[:300], text, 512).padding_share < 0.005


def test_line_by_line_cuts_off(text: PromptFormat) -> None:
    short, long = story("A cat."), story("A cat sat on a mat. " * 30)
    decode: Any = lambda ids: "x" * len(ids)  # noqa: E731
    rows = line_by_line([short, long], text, BLOCK, decode)
    n_long = len(text.encode_story("horror", long.text))
    assert [len(item["input_ids"]) for item in rows] == [
        len(text.encode_story("horror", "A cat.")), BLOCK,
    ]  # fmt: skip
    assert rows.n_cut_off == n_long - BLOCK
    assert rows.n_bytes == 6 + BLOCK - 2


# --- Batches ---


def test_what_a_batch_learns(text: PromptFormat) -> None:
    rows = packed([story("A cat."), story("A dog.", "drama")], text, 32)
    assert len(rows) == 1
    batch = Collator(pad=0, batch_size=2, block_size=32, document_masking=True)([rows[0]])
    ids, labels = batch["input_ids"], batch["labels"]
    first, second = (piece.ids for piece in rows[0]["row"])
    n, m = len(first), len(second)
    given = [IGNORED, IGNORED]
    padding = 32 - n - m
    assert ids.shape == (2, 32)
    assert labels[0].tolist() == given + first[2:] + given + second[2:] + [IGNORED] * padding
    assert labels[1].tolist() == [IGNORED] * 32  # the row that fills up the batch
    assert batch["position_ids"][0, : n + m].tolist() == [*range(n), *range(m)]
    mask = batch["attention_mask"]
    assert mask.shape == (2, 1, 32, 32)
    seen = mask[0, 0, n + 1].nonzero().flatten().tolist()
    assert seen == [n, n + 1]
    assert mask.any(-1).all()  # a token that sees nothing would be no number


def test_without_masking_a_batch_is_only_ids_and_labels(text: PromptFormat) -> None:
    rows = packed([story("A cat.")], text, 32)
    batch = Collator(0, 1, 32, document_masking=False)([rows[0]])
    assert batch.keys() == {"input_ids", "labels"}
    batch = Collator(0, 2, None, document_masking=False)([rows[0]])
    assert batch["input_ids"].shape == (1, rows.n_tokens)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_packed_story_learns_what_it_learns_alone(
    family: str, attention: str, request: pytest.FixtureRequest, train_file: Path
) -> None:
    recipe = Recipe(model_name_or_path=str(request.getfixturevalue(f"{family}_folder")))
    base = open_base(recipe, DEFAULT_GENRES, bfloat16=False)
    model = base.model.eval()
    model.set_attn_implementation(attention)
    rows = packed(read_stories(train_file, DEFAULT_GENRES), base.text, BLOCK)
    items = sorted(rows, key=lambda item: len(item["row"]))[-4:]
    assert [len(item["row"]) > 2 for item in items] == [True] * 4
    batch = Collator(0, 4, BLOCK, True, additive_mask=attention == "eager")(items)
    with torch.no_grad():
        together = losses(model, batch)
        for index, item in enumerate(items):
            start = 0
            for piece in item["row"]:
                ids = torch.tensor([piece.ids])
                labels = ids.masked_fill(torch.arange(len(piece.ids)) < piece.n_given, IGNORED)
                alone = losses(model, {"input_ids": ids, "labels": labels})[0]
                packed_in = together[index, start : start + len(piece.ids) - 1]
                torch.testing.assert_close(packed_in, alone, atol=2e-5, rtol=1e-4)
                assert (alone > 0).sum() == piece.n_targets
                start += len(piece.ids)


def losses(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Loss of every token from the second on: (B, T - 1), 0 where it is no target."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits = model(**inputs).logits[:, :-1]
    return cross_entropy(logits.mT, batch["labels"][:, 1:], reduction="none")
