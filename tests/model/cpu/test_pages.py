from __future__ import annotations

from model.cpu.pages import Pages


def test_a_story_has_the_pages_it_needs_and_keeps_them_while_it_grows() -> None:
    pages = Pages(32, 64)
    first, second = pages.make_room(0, 1), pages.make_room(5, 33)
    assert (len(first), len(second)) == (1, 2)
    assert len({*first, *second}) == 3
    assert pages.make_room(0, 32) == first
    grown = pages.make_room(5, 200)
    assert len(grown) == 7
    assert grown[:2] == second
    assert pages.make_room(0, 32) == first


def test_what_a_shorter_story_leaves_is_given_to_others() -> None:
    pages = Pages(32, 64)
    before = {*pages.make_room(0, 300), *pages.make_room(1, 40)}
    after = [*pages.make_room(0, 30), *pages.make_room(1, 100), *pages.make_room(2, 100)]
    assert set(after) <= before
    assert len(set(after)) == len(after) == 9


def test_a_moved_story_keeps_its_pages_and_those_it_displaces_are_free() -> None:
    pages = Pages(32, 64)
    displaced, kept = pages.make_room(0, 10), pages.make_room(2, 70)
    pages.move(2, 0)
    assert pages.make_room(0, 71) == kept
    assert pages.make_room(2, 5) == displaced


def test_released_it_holds_nothing() -> None:
    pages = Pages(32, 64)
    pages.make_room(0, 10)
    pages.release()
    assert not pages._free
    assert not pages._slots
