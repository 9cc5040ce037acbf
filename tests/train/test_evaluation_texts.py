"""What is measured on texts alone: repetition, adherence, genre control."""

from __future__ import annotations

import math
import random

import pytest

from train.evaluation.adherence import Adherence, Continued, WordSpace
from train.evaluation.control import GenreJudge, NotMeasurable
from train.evaluation.repetition import (
    distinct_n,
    has_loop,
    measure_repetition,
    rep_n,
    take_words,
    words_of,
)
from train.texts import Story


def test_words_are_folded_and_keep_their_apostrophes() -> None:
    assert words_of("It's ÉMILE’s dog -- no. 7!") == ["it's", "émile’s", "dog", "no", "7"]


def test_rep_n_by_hand() -> None:
    words = ["a", "b", "a", "b", "a"]
    assert rep_n(words, 1) == 1 - 2 / 5
    assert rep_n(words, 2) == 1 - 2 / 4  # ab ba ab ba
    assert rep_n(words, 3) == 1 - 2 / 3  # aba bab aba
    assert rep_n(words, 5) == 0
    assert rep_n(words, 6) == 0  # none so long


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("the man in black x the man in black y the man in black", True),
        ("the man in black x the man in black y the man in grey", False),
        ("no no no no no no", True),
        ("no no no no no", False),
        (
            "one two three four five six seven eight . One two, three four five six seven eight",
            True,
        ),
        ("one two three four five six seven eight x one two three four five six seven nine", False),
        ("", False),
    ],
)
def test_what_is_a_loop(text: str, loops: bool) -> None:
    assert has_loop(words_of(text)) is loops


def test_distinct_n_and_the_words_it_is_taken_over() -> None:
    texts = [["a", "b", "a"], ["a", "b"]]
    assert distinct_n(texts, 1) == 2 / 5
    assert distinct_n(texts, 2) == 2 / 3  # ab ba ab; none across two texts
    assert distinct_n([], 1) == 0
    assert take_words(texts, 4) == [["a", "b", "a"], ["a"]]
    assert take_words(texts, 3) == [["a", "b", "a"]]


def test_repetition_of_a_set() -> None:
    found = measure_repetition([["no"] * 6, ["a", "b"]], 8)
    assert found.n_stories == 2
    assert found.loops == 0.5
    by_hand = {1: 5 / 6, 2: 4 / 5, 3: 3 / 4, 4: 2 / 3}  # of the first; the second has no repeats
    assert found.rep == pytest.approx({n: value / 2 for n, value in by_hand.items()})
    assert found.distinct == {1: 3 / 8, 2: 2 / 6, 3: 1 / 4, 4: 1 / 3}


# --- Adherence ---

TEXTS = [
    "Mara sails her boat to the island and the storm takes it.",
    "Tomas paints the bridge while the mayor sleeps.",
    "the boat on the island, a bridge for a mayor",
]


def continued(prompt: str, continuation: str, genre: str = "drama") -> Continued:
    return Continued(genre, prompt, continuation)


def test_each_story_nearer_to_its_own_prompt() -> None:
    stories = [
        continued("Mara sails her boat", "The storm takes the boat and Mara weeps"),
        continued("Tomas paints the bridge", "The bridge falls on the mayor"),
    ]
    found = WordSpace(TEXTS).adherence(stories)
    # Mara comes again, Tomas does not.
    assert found == Adherence(2, own_prompt_nearer=1.0, names_kept=0.5, n_with_names=2)


def test_stories_that_go_on_from_each_others_prompts() -> None:
    stories = [
        continued("Mara sails her boat", "paints bridge"),
        continued("Tomas paints the bridge", "sails boat"),
    ]
    found = WordSpace(TEXTS).adherence(stories)
    assert found.own_prompt_nearer == 0
    assert found.names_kept == 0


def test_words_of_no_prompt_are_a_tie() -> None:
    stories = [continued("Mara sails her boat", "mayor"), continued("Tomas paints", "island")]
    assert WordSpace(TEXTS).adherence(stories).own_prompt_nearer == 0.5


def test_prompts_of_another_genre_and_the_same_prompt_are_no_comparison() -> None:
    stories = [
        continued("the boat", "boat"),
        continued("the boat", "island"),
        continued("the bridge", "boat", "horror"),
    ]
    found = WordSpace(TEXTS).adherence(stories)
    assert found == Adherence(3, own_prompt_nearer=None, names_kept=None, n_with_names=0)


def test_a_name_is_never_written_small() -> None:
    space = WordSpace(["In Rome Anna's brother went in.", "The Boat", "a boat for I"])
    assert space.names("In Rome Anna's Boat I saw") == {"rome", "anna"}


# --- Genre control ---

WORDS = {
    "horror": ["ghost", "grave", "scream", "blood", "night"],
    "drama": ["mother", "letter", "divorce", "tears", "school"],
    "sci_fi": ["robot", "planet", "laser", "ship", "moon"],
}


def plots(genre: str, n: int, seed: int = 0, lead: str = "") -> list[Story]:
    dice = random.Random(f"{genre} {seed}")
    return [Story(genre, lead + " ".join(dice.choices(WORDS[genre], k=12)), 1) for _ in range(n)]


def judge_of(n_train: int, n_held_out: int, **options: int) -> GenreJudge:
    train = [plot for genre in WORDS for plot in plots(genre, n_train)]
    held_out = [plot for genre in WORDS for plot in plots(genre, n_held_out, seed=1)]
    return GenreJudge(train, held_out, **({"n_words": 12, "seed": 1} | options))


def test_control_by_hand() -> None:
    judge = judge_of(20, 30)
    found = judge.control(
        [
            ("horror", "ghost scream"),
            ("horror", "a grave of blood"),
            ("horror", "a robot on the moon"),
            ("drama", "mother, a letter"),
            ("western", "left out"),
        ]
    )
    assert found is not None
    assert found.n_stories == 4
    assert found.accuracy == 3 / 4
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.standard_error == pytest.approx(math.sqrt(2 / 3 * 1 / 3 / 3) / 2)
    assert found.by_genre == {"drama": 1.0, "horror": 2 / 3}
    assert found.judged_as == {"drama": {"drama": 1}, "horror": {"horror": 2, "sci_fi": 1}}
    assert judge.control([("western", "left out")]) is None
    assert judge.floor([("western", "left out")], seed=1) is None


def test_ceiling_and_floor() -> None:
    judge = judge_of(20, 30)
    assert not judge.cross_validated
    assert judge.ceiling.n_stories == 90
    assert judge.ceiling.balanced_accuracy == 1
    floor = judge.floor([(p.genre, p.text) for g in WORDS for p in plots(g, 30, seed=2)], seed=1)
    # 200 shuffles of 90 stories: a standard error of 0.0035 around a third.
    assert floor == pytest.approx(1 / 3, abs=0.02)


def test_plots_that_the_train_file_repeats_count_once() -> None:
    train = plots("horror", 20) + plots("drama", 20) + plots("sci_fi", 5) * 4
    assert GenreJudge(train, [], n_words=12, seed=1).genres == ("drama", "horror")
    twice = GenreJudge(train[:40] * 2, plots("horror", 2, seed=1), n_words=12, seed=1)
    assert twice.ceiling.n_stories == 42


def test_with_few_held_out_plots_the_ceiling_is_cross_validated_over_all() -> None:
    judge = judge_of(20, 2)
    assert judge.cross_validated
    assert judge.ceiling.n_stories == 66


def test_the_judge_reads_no_further_than_the_cut() -> None:
    blind = [plot for genre in WORDS for plot in plots(genre, 40, lead="so it was once ")]
    judge = GenreJudge(blind, blind, n_words=4, seed=1)
    assert judge.ceiling.balanced_accuracy == pytest.approx(1 / 3)
    assert GenreJudge(blind, blind, n_words=8, seed=1).ceiling.balanced_accuracy == 1


def test_a_genre_of_few_plots_is_left_out_and_one_genre_is_no_choice() -> None:
    train = plots("horror", 20) + plots("drama", 20) + plots("sci_fi", 9)
    assert GenreJudge(train, train, n_words=12, seed=1).genres == ("drama", "horror")
    with pytest.raises(NotMeasurable, match="two genres with 10 train plots each, and there are 1"):
        GenreJudge(plots("horror", 20), [], n_words=12, seed=1)
