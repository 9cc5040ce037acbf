from __future__ import annotations

from model.cpu.pages import Pages


def addresses(pages: Pages) -> list[list[int]]:
    table: list[list[int]] = pages.addresses().tolist()
    return [[address for address in slot if address] for slot in table]


def test_each_slot_has_the_pages_it_needs_and_keeps_them_while_it_grows() -> None:
    pages = Pages(32, 64)
    pages.make_room([1, 33, 0])
    first, second, third = addresses(pages)
    assert (len(first), len(second), len(third)) == (1, 2, 0)
    assert len({*first, *second}) == 3
    pages.make_room([32, 200, 1])
    grown = addresses(pages)
    assert grown[0] == first
    assert grown[1][:2] == second
    assert [len(slot) for slot in grown] == [1, 7, 1]


def test_what_a_shorter_story_or_an_empty_slot_leaves_is_given_to_others() -> None:
    pages = Pages(32, 64)
    pages.make_room([300, 40])
    before = {address for slot in addresses(pages) for address in slot}
    pages.make_room([30])
    pages.make_room([30, 100, 100])
    after = [address for slot in addresses(pages) for address in slot]
    assert set(after) <= before
    assert len(set(after)) == len(after) == 9


def test_a_moved_story_keeps_its_pages_and_its_slot_is_free() -> None:
    pages = Pages(32, 64)
    pages.make_room([10, 20, 70])
    kept = addresses(pages)
    pages.move(2, 0)
    pages.make_room([71, 20])
    assert addresses(pages) == [kept[2], kept[1]]
    pages.make_room([71, 20, 5])
    assert addresses(pages)[2] == kept[0]


def test_released_it_holds_nothing() -> None:
    pages = Pages(32, 64)
    pages.make_room([10, 20])
    pages.release()
    assert pages.addresses().numel() == 0
    assert not pages._free
