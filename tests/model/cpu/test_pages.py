from __future__ import annotations

from model.cpu.pages import Pages


def room(pages: Pages, slot: int, length: int) -> list[int]:
    """Where the pages of a slot are, now that it has room for so many positions."""
    pages.make_room(slot, length)
    return pages.table[slot, : len(pages._slots[slot])].tolist()


def test_a_story_has_the_pages_it_needs_and_keeps_them_while_it_grows() -> None:
    pages = Pages(32, 64)
    first, second = room(pages, 0, 1), room(pages, 5, 33)
    assert (len(first), len(second)) == (1, 2)
    assert len({*first, *second}) == 3
    assert room(pages, 0, 32) == first
    grown = room(pages, 5, 200)
    assert len(grown) == 7
    assert grown[:2] == second
    assert room(pages, 0, 32) == first


def test_what_a_shorter_story_leaves_is_given_to_others() -> None:
    pages = Pages(32, 64)
    before = {*room(pages, 0, 300), *room(pages, 1, 40)}
    after = [*room(pages, 0, 30), *room(pages, 1, 100), *room(pages, 2, 100)]
    assert set(after) <= before
    assert len(set(after)) == len(after) == 9


def test_a_moved_story_keeps_its_pages_and_those_it_displaces_are_free() -> None:
    pages = Pages(32, 64)
    displaced, kept = room(pages, 0, 10), room(pages, 2, 70)
    pages.move(2, 0)
    assert room(pages, 0, 71) == kept
    assert room(pages, 2, 5) == displaced
    pages.move(0, 9)
    assert room(pages, 9, 71) == kept


def test_released_it_holds_nothing() -> None:
    pages = Pages(32, 64)
    pages.make_room(0, 10)
    pages.release()
    assert not pages._free
    assert not pages._slots
