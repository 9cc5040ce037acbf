"""Train, eval, cap and repeats."""

from __future__ import annotations

from collections import Counter

from train.split import Story, capped, chance, repeats, split


def stories(
    genre: str, count: int, name: str = "", *, lead: bool = False, seed: bool = False
) -> list[Story]:
    texts = [f"{genre} {name} {lead} {n}" for n in range(count)]
    return [Story(genre, text, frozenset({text}), "a.csv", lead, seed) for text in texts]


def texts(items: list[Story]) -> set[str]:
    return {story.text for story in items}


def test_chance_is_even_and_depends_on_the_seed() -> None:
    values = [chance(1, "x", n) for n in range(4000)]
    assert chance(1, "x", 7) == values[7] != chance(2, "x", 7)
    # Of 4000 the tenth is 400 with a standard deviation of 19: six of them is one in 10^9.
    assert abs(sum(value < 0.1 for value in values) - 400) < 114


def test_no_story_is_on_both_sides_and_none_is_lost() -> None:
    all_of_them = stories("drama", 400) + stories("horror", 60)
    train, evaluate = split(all_of_them, 0.1, 42)
    assert texts(train).isdisjoint(texts(evaluate))
    assert texts(train) | texts(evaluate) == texts(all_of_them)


def test_more_data_takes_no_film_from_eval() -> None:
    few = stories("drama", 300)
    _, before = split(few, 0.1, 42)
    _, after = split(few + stories("drama", 900, "other"), 0.1, 42)
    assert texts(before) <= texts(after)


def test_a_copy_found_later_leaves_the_film_in_eval() -> None:
    few = stories("drama", 300)
    _, before = split(few, 0.1, 42)
    joined = [Story("drama", s.text, s.films | {f"copy {s.text}"}, "b") for s in few]
    _, after = split(joined, 0.1, 42)
    assert texts(before) < texts(after)


def test_each_genre_is_in_eval() -> None:
    _, evaluate = split(stories("drama", 900) + stories("horror", 60) + stories("sf", 9), 0.02, 42)
    counts = Counter(story.genre for story in evaluate)
    assert counts["horror"] == 10
    assert counts["sf"] == 1


def test_another_seed_splits_otherwise() -> None:
    assert split(stories("drama", 300), 0.1, 1) != split(stories("drama", 300), 0.1, 2)


def test_no_share_no_eval() -> None:
    assert split(stories("drama", 30), 0, 42)[1] == []


def test_the_flood_is_cut_and_seed_text_stays() -> None:
    flood = stories("drama", 40, seed=True) + stories("drama", 400, "other")
    shown = capped([*flood, *stories("horror", 60)], 0.5, 42)
    counts = Counter((story.genre, story.seed) for story in shown)
    assert counts == {("drama", True): 40, ("drama", False): 20, ("horror", False): 60}


def test_the_commonest_genre_stays_no_rarer_than_the_next() -> None:
    counts = Counter(s.genre for s in capped(stories("a", 60) + stories("b", 50), 0.3, 42))
    assert counts == {"a": 50, "b": 50}


def test_one_genre_alone_is_not_cut() -> None:
    assert len(capped(stories("drama", 9), 0.4, 42)) == 9


def test_repeats() -> None:
    shown = stories("drama", 100) + stories("action", 60) + stories("horror", 30)
    assert repeats([*shown, *stories("sf", 3)], 4) == {
        "drama": 1,
        "action": 2,
        "horror": 3,
        "sf": 4,
    }
    assert set(repeats(shown, 1).values()) == {1}


def test_leads_are_not_repeated() -> None:
    shown = stories("drama", 100) + stories("horror", 20) + stories("horror", 40, lead=True)
    assert repeats(shown, 4) == {"drama": 1, "horror": 3}
    assert repeats([*stories("drama", 9), *stories("sf", 3, lead=True)], 4) == {"drama": 1, "sf": 4}
