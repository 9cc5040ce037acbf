from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model.checkpoint import LoadedModel
from model.genres import DEFAULT_GENRES, Genre, GenreTable, Templates, UnknownGenre
from model.prompt import (
    PromptFormat,
    StoryText,
    clean_story,
    control_token_ids,
    opening,
    training_text,
)

# --- Openings ---


@pytest.mark.parametrize(
    ("genre", "title", "prompt", "expected"),
    [
        ("horror", "The Lamp", "", '"The Lamp" is a horror film about'),
        ("Action", "Nine", None, '"Nine" is an action film about'),
        ("horror", None, " A lonely lighthouse\n", "A lonely lighthouse"),
        ("horror", "Lamp", "It is dark.", '"Lamp" is a horror film. It is dark.'),
        ("horror", "", "", ""),
        ("horror", None, None, ""),
        ("horror", ' “The \n "Lamp"” ', "", "\"The 'Lamp'\" is a horror film about"),
        ("horror", 'The "Keeper"', "", "\"The 'Keeper'\" is a horror film about"),
        ("horror", '"Run" and "Hide"', "", "\"'Run' and 'Hide'\" is a horror film about"),
        ("horror", "'Twas Night", "", '"\'Twas Night" is a horror film about'),
        ("horror", "«Le gardien»", "", '"Le gardien" is a horror film about'),
        ("horror", '"', "", '"\'" is a horror film about'),
        ("horror", '""', "", ""),
    ],
)
def test_opening(genre: str, title: str | None, prompt: str | None, expected: str) -> None:
    assert opening(genre, title, prompt) == expected


def test_an_opening_needs_a_known_genre() -> None:
    with pytest.raises(UnknownGenre):
        opening("horor", "x", "")


def test_training_text_is_the_seeds_line() -> None:
    assert training_text("Sci-Fi", " A ship\n sails. ") == "<BOS> <sci_fi> A ship sails. <EOS>"


# --- Tokens ---


def names(loaded: LoadedModel, ids: list[int]) -> list[str]:
    return [loaded.tokenizer.decode([token]) for token in ids]


def test_a_model_with_genre_tokens_gets_bos_genre_text(gpt2: LoadedModel) -> None:
    ids = gpt2.format.encode("Horror", " The new house ")
    assert gpt2.format.has_genre_tokens
    assert names(gpt2, ids)[:2] == ["<BOS>", "<horror>"]
    assert gpt2.tokenizer.decode(ids[2:]) == "The new house"
    assert names(gpt2, gpt2.format.encode("drama", "")) == ["<BOS>", "<drama>"]


def test_a_story_to_train_on_is_the_prompt_and_the_end(gpt2: LoadedModel) -> None:
    assert names(gpt2, gpt2.format.encode_story("horror", "x"))[-1] == "<EOS>"
    prompt, story = (
        gpt2.format.encode("horror", "The new"),
        gpt2.format.encode_story("horror", "The new house."),
    )
    assert story[: len(prompt)] == prompt


def test_a_bare_model_gets_a_lead_in_and_goes_on_with_the_members_words(llama: LoadedModel) -> None:
    assert not llama.format.has_genre_tokens
    text = llama.tokenizer.decode(llama.format.encode("sci_fi", "A ship"))
    assert text == "Genre: science fiction\nPlot: A ship"
    assert llama.tokenizer.decode(llama.format.encode("sci_fi", "")) == (
        "Genre: science fiction\nPlot:"
    )


def test_one_genre_without_a_token_gets_the_lead_in_alone(gpt2: LoadedModel) -> None:
    table = GenreTable((*DEFAULT_GENRES, Genre("western", "western", "<western>")))
    text_format = PromptFormat(gpt2.tokenizer, table)
    assert not text_format.has_genre_tokens
    assert (
        gpt2.tokenizer.decode(text_format.encode("western", "Dust")) == "Genre: western\nPlot: Dust"
    )
    assert names(gpt2, text_format.encode("drama", ""))[1] == "<drama>"


def test_a_tokenizer_that_begins_texts_with_bos_keeps_it(llama: LoadedModel) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = copy.deepcopy(llama.tokenizer)
    backend: Any = tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    backend.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )
    ids = PromptFormat(tokenizer).encode("horror", "Rain")
    assert (ids[0], ids.count(1)) == (1, 1)
    assert tokenizer.decode(ids[1:]) == "Genre: horror\nPlot: Rain"


def test_a_table_without_a_lead_in_begins_from_bos(llama: LoadedModel) -> None:
    table = GenreTable(tuple(DEFAULT_GENRES), Templates(lead_in=""))
    text_format = PromptFormat(llama.tokenizer, table)
    assert names(llama, text_format.encode("horror", "")) == ["<|im_start|>"]
    assert names(llama, text_format.encode("horror", "a")) == ["a"]


@given(
    words=st.lists(st.text("abc ", min_size=1, max_size=12), max_size=40), limit=st.integers(3, 60)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_prompt_too_long_keeps_the_genre_and_its_last_words(
    gpt2: LoadedModel, words: list[str], limit: int
) -> None:
    prompt = " ".join(" ".join(words).split())
    ids = gpt2.format.encode("horror", prompt, limit)
    assert len(ids) <= limit
    assert names(gpt2, ids)[:2] == ["<BOS>", "<horror>"]
    kept = gpt2.tokenizer.decode(ids[2:])
    assert prompt.endswith(kept)
    assert not kept.startswith(" ")


def test_no_room_for_the_genre_is_said(gpt2: LoadedModel) -> None:
    with pytest.raises(ValueError, match="1 tokens leave no room for the genre horror"):
        gpt2.format.encode("horror", "a b c", 1)


def assert_stays_text(loaded: LoadedModel, text: str) -> None:
    ids = loaded.format.encode_text(text)
    added = set(loaded.tokenizer.added_tokens_decoder)
    assert added.isdisjoint(ids)
    assert loaded.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def typed_text(tokens: list[str]) -> st.SearchStrategy[str]:
    """Text with control tokens in it, whole, in halves and one in another."""
    pieces = st.one_of(
        st.sampled_from(tokens),
        st.sampled_from([t[:n] for t in tokens for n in range(1, len(t))]),
        # SmolLM2 lacks some bytes: of the planes above the third, and some control characters.
        st.text(st.characters(max_codepoint=0x3FFFF, exclude_categories=["Cs", "Cc"]), max_size=8),
        st.sampled_from(["\n", "\t", "\r\n"]),
    )
    return st.lists(pieces, max_size=8).map("".join)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.parametrize("model", ["gpt2", "llama"])
def test_what_a_member_types_is_never_a_control_token(
    request: pytest.FixtureRequest, model: str, data: st.DataObject
) -> None:
    loaded: LoadedModel = request.getfixturevalue(model)
    tokens = [*loaded.tokenizer.get_added_vocab(), "<EOS>", "<horror>", "<|im_end|>", "</s>"]
    assert_stays_text(loaded, data.draw(typed_text(tokens)))


@pytest.mark.model
@pytest.mark.timeout(300)  # the first to ask fetches the model
def test_nor_for_the_default_model(default_model: LoadedModel) -> None:
    tokens = [*default_model.tokenizer.get_added_vocab(), "<EOS>", "<horror>"]
    assert len(tokens) == 19

    @given(typed_text(tokens))
    @settings(deadline=None)
    def check(text: str) -> None:
        assert_stays_text(default_model, text)

    check()


def test_nor_where_the_ordinary_vocabulary_holds_the_token_too(llama: LoadedModel) -> None:
    """Llama 3's tokenizer takes a whole word from its vocabulary before it tries any merge."""
    import json

    tokenizer = copy.deepcopy(llama.tokenizer)
    backend: Any = tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    recipe = json.loads(backend.to_str())
    recipe["model"]["ignore_merges"] = True
    recipe["pre_tokenizer"] = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False
    }  # fmt: skip
    tokenizer._tokenizer = type(backend).from_str(json.dumps(recipe))  # type: ignore[attr-defined]
    text_format = PromptFormat(tokenizer)
    ids = text_format.encode_text("<|im_end|>")
    assert text_format.control_ids.isdisjoint(ids)
    assert tokenizer.decode(ids) == "<|im_end|>"


def test_control_tokens_are_the_special_ones_and_ours_not_runs_of_spaces(gpt2: LoadedModel) -> None:
    tokenizer = copy.deepcopy(gpt2.tokenizer)
    tokenizer.add_tokens(["    ", "<|chat|>"])
    control = {tokenizer.decode([i]) for i in control_token_ids(tokenizer)}
    assert control == {
        "<|endoftext|>", "<BOS>", "<EOS>", "<PAD>", "<|chat|>",
        *(genre.token for genre in DEFAULT_GENRES),
    }  # fmt: skip


# --- The completion as people read it ---


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("The end.[1] Next [12], then [citation needed]. [Note 3] x", "The end. Next, then. x"),
        ("One<EOS> two <|im_end|>three<horror> <pad>four</s>", "One two three four"),
        ("a [1", "a"),
        ("a [cita", "a"),
        ("a <|im_e", "a"),
        ("a <hor", "a"),
        ("a <EO", "a"),
        ("a [1] b [aside] <b> x < y", "a b [aside] <b> x < y"),
        ("[[1]2] x [<PAD>3]", "x"),
        ("a  \n\n\n\n\nb \t c\r\n", "a\n\nb c"),
        ("\n\n  a", "a"),
        ("a\x00\x1b[31m\u202eb\u200b\ufffdc\u00a0d", "a[31mbc d"),
        ("👩‍👩‍👧 می‌خواهم", "👩‍👩‍👧 می‌خواهم"),
    ],
)
def test_debris_is_dropped_and_begun_debris_held_back(raw: str, clean: str) -> None:
    assert clean_story("", raw, final=False) == clean


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("He ran. She hi", "He ran."),
        ("He ran! She", "He ran!"),
        ("He met Mr. Smith and Dr. Wu", "He met Mr. Smith and Dr.…"),
        ("It ended. He met Mr. Smith and", "It ended."),
        ("It ended. They flew to the U.S. and", "It ended."),
        ("It ended. At 5 p.m. the", "It ended."),
        ("It ended. J. K. was", "It ended."),
        ("It was I. Then the", "It was I."),
        ("It cost 3.50 and", "It cost 3.50…"),
        ('He said "Go." Then', 'He said "Go."'),
        ('It ended. "Run!" she cried and', "It ended."),
        ("It ended. He waited... and", "It ended."),
        ("It ended. He waited... Then", "It ended. He waited..."),
        ("It ended (at last.) And", "It ended (at last.)"),
        ("It ended.’ So", "It ended.’"),
        ("He asked why? And", "He asked why?"),
        ("走了。「来！」然后", "走了。「来！」"),
        ("List:\n1. The first thing", "List:\n1. The first…"),
        ("no end at all her", "no end at all…"),
        ("no end, th", "no end…"),
        ("word", "word…"),
        ("", ""),
        ("The end.[1", "The end."),
        ("Wait… Then he", "Wait…"),
    ],
)
def test_a_finished_story_ends_in_a_whole_sentence(raw: str, clean: str) -> None:
    assert clean_story("", raw, final=True) == clean


def test_the_opening_is_kept_as_it_was_typed() -> None:
    typed = "The sign said <EOS> [1].  Then"
    assert clean_story(typed, " it fell. It", final=True) == f"{typed} it fell."
    assert clean_story("Go. He", " went away to the ligh", final=True) == "Go. He went away to the…"
    assert clean_story("A lonely light", "house", final=True) == "A lonely lighthouse…"
    assert clean_story("A light", ". It was dark in the", final=True) == "A light. It was dark in…"
    assert clean_story("A lonely", "", final=True) == "A lonely"
    assert clean_story("A [", "1] b", final=False) == "A [1] b"
    assert clean_story("A", "\n\n\nb", final=False) == "A\n\nb"


def test_tokens_of_another_table_are_debris_too() -> None:
    table = GenreTable((Genre("sport", "sport", "<sport>"),))
    assert clean_story("", "a <sport>b", final=False, table=table) == "a b"
    assert clean_story("", "a <sport>b", final=False) == "a <sport>b"


messy = st.lists(
    st.one_of(
        st.sampled_from(
            ["[", "]", "[1]", "[12", "<", ">", "|", "<|", "|>", "<EOS>", "<PA", "<horror>", "[cit",
             "citation needed", "note 1", " ", "\n", "\n\n", ".", "!", "…", "。", '"', "’", ")",
             "Mr.", "U.S.", "He", "ran", " she ", "1", "1.", "\x07", "\u202e", "\ufffd", "é"]
        ),
        st.text(max_size=6),
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(before=st.one_of(st.just(""), messy), raw=messy, final=st.booleans())
@settings(max_examples=400, deadline=None)
@example(before="", raw="x < ", final=False)
@example(before="", raw="[[1]2", final=False)
@example(before="", raw="<|\n]", final=True)
def test_cleaning_clean_text_changes_nothing(before: str, raw: str, final: bool) -> None:
    once = clean_story(before, raw, final=final)
    assert once.startswith(before)
    assert clean_story(before, once[len(before) :], final=final) == once


@given(before=st.one_of(st.just(""), messy), raw=messy)
@settings(max_examples=400, deadline=None)
def test_what_has_been_shown_stays_while_the_story_grows(before: str, raw: str) -> None:
    story, shown = StoryText(before), before
    for end, letter in enumerate(raw, start=1):
        story.add(letter)
        assert story.so_far().startswith(shown)
        shown = story.so_far()
        assert shown == clean_story(before, raw[:end], final=False)


@given(before=st.one_of(st.just(""), messy), raw=messy)
@settings(max_examples=400, deadline=None)
def test_the_end_trims_only_the_tail(before: str, raw: str) -> None:
    shown = clean_story(before, raw, final=False)
    whole = clean_story(before, raw, final=True)
    assert whole.startswith(before)
    assert shown.startswith(whole.removesuffix("…"))


def test_the_module_needs_no_model_library() -> None:
    import subprocess
    import sys

    code = "import sys, model.prompt, model.scripted_engine, model.torch_engine; "
    code += "sys.exit(bool({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
