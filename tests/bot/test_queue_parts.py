"""What the queue over Redis is made of: who is alive, and what is believed of a message."""

from __future__ import annotations

import json

import pytest

from bot.queue import Job, JobUpdate
from bot.queue.pulse import FORGOTTEN_AFTER_S, LOOK_S, LOST_AFTER_S, Pulse
from bot.queue.wire import (
    MAX_BYTES,
    Announcement,
    BadMessage,
    Order,
    Report,
    decode,
    encode,
    load_record,
)
from model.engine import EngineInfo, GenerationRequest, SamplingParams

INFO = EngineInfo("pen", "1", "ab12", 7, 100, "hand", "ink", True)
JOB = Job(7, 2, "ada", GenerationRequest("horror", "A “house”", SamplingParams(seed=2**62)))
LOOKS_UNTIL_LOST = round(LOST_AFTER_S / LOOK_S)


# -- pulse -----------------------------------------------------------------------------------------
def looks(pulse: Pulse, n: int, beats: dict[str, object], start: float = 0.0) -> float:
    for look in range(n):
        pulse.look(beats, start + look * LOOK_S)
    return start + n * LOOK_S


def test_whoever_beats_lives_and_whoever_stops_is_lost() -> None:
    pulse = Pulse()
    for look in range(100):
        pulse.look({"ada": look, "ben": 1}, look * LOOK_S)
        assert not pulse.is_lost("ada")
        assert pulse.is_lost("ben") == (look >= LOOKS_UNTIL_LOST)


def test_whoever_beats_again_lives_again() -> None:
    pulse = Pulse()
    now = looks(pulse, 50, {"ada": 1})
    assert pulse.is_lost("ada")
    pulse.look({"ada": 2}, now)
    assert not pulse.is_lost("ada")


def test_one_that_vanishes_from_the_list_is_lost_as_slowly_as_one_that_stops() -> None:
    pulse = Pulse()
    now = looks(pulse, 1, {"ada": 1})
    now = looks(pulse, LOOKS_UNTIL_LOST - 1, {}, now)
    assert not pulse.is_lost("ada")
    looks(pulse, 1, {}, now)
    assert pulse.is_lost("ada")


def test_time_in_which_nobody_looked_counts_as_one_look() -> None:
    pulse = Pulse()
    pulse.look({"ada": 1}, 0.0)
    pulse.look({"ada": 1}, 3600.0)
    assert not pulse.is_lost("ada")


def test_looks_in_quick_succession_kill_nobody() -> None:
    pulse = Pulse()
    for look in range(1000):
        pulse.look({"ada": 1}, look / 1000)
    assert not pulse.is_lost("ada")


def test_one_expected_and_never_seen_is_lost_after_the_same_time() -> None:
    pulse = Pulse()
    for look in range(LOOKS_UNTIL_LOST):
        pulse.look({}, look * LOOK_S, expected=["ada"])
        assert pulse.is_lost("ben")
    assert not pulse.is_lost("ada")
    pulse.look({}, LOOKS_UNTIL_LOST * LOOK_S, expected=["ada"])
    pulse.look({}, LOOKS_UNTIL_LOST * LOOK_S + LOOK_S, expected=["ada"])
    assert pulse.is_lost("ada")


def test_the_long_silent_are_forgotten_once() -> None:
    pulse = Pulse()
    looks(pulse, round(FORGOTTEN_AFTER_S / LOOK_S), {"ada": 1})
    assert pulse.forget() == []
    looks(pulse, 2, {"ada": 1}, FORGOTTEN_AFTER_S)
    assert (pulse.forget(), pulse.forget()) == (["ada"], [])


# -- messages --------------------------------------------------------------------------------------
UPDATE = JobUpdate(7, 2, "finished", completion=" stood.", n_tokens=2, seconds=0.5,
                   finish_reason="stop", engine=INFO)  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        Order("front", JOB),
        Report("7.2.front.1", "worker", "update", UPDATE),
        Report("7.2.front.1", "worker", "failed", None, "out of ink"),
        Announcement("vm:1", 16, INFO, 3, is_gone=True),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_arrives_as_it_was_sent(message: Order | Report | Announcement) -> None:
    assert decode(type(message), encode(message)) == message
    assert decode(type(message), encode(message).encode()) == message


def changed(path: str, value: object) -> str:
    order = json.loads(encode(Order("front", JOB)))
    *parents, last = path.split(".")
    inner = order
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return json.dumps(order)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("job", None),
        ("job.story_id", "7"),
        ("job.request.prompt", 5),
        ("job.request.sampling.temperature", -1.0),
        ("job.request.sampling.seed", 2**63),
        ("job.request.sampling.top_k", 1.5),
        ("front", ["x"]),
    ],
)
def test_a_message_with_a_wrong_field_is_refused_and_not_quoted(path: str, value: object) -> None:
    with pytest.raises(BadMessage) as refused:
        decode(Order, changed(path, value))
    assert "house" not in str(refused.value)
    assert "Order" in str(refused.value)


def test_a_field_of_a_later_version_is_passed_over() -> None:
    assert decode(Order, changed("job.mood", "gloomy")) == Order("front", JOB)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"[1]", "null", None, 7, {"front": "x"}])
def test_what_is_no_message_is_refused(data: object) -> None:
    with pytest.raises(BadMessage):
        decode(Order, data)


def test_a_message_too_large_is_neither_sent_nor_read() -> None:
    huge = Report("d", "w", "failed", None, "x" * MAX_BYTES)
    with pytest.raises(BadMessage, match="at most"):
        encode(huge)
    with pytest.raises(BadMessage, match="at most"):
        decode(Report, b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize("data", [b"not json", b"[" * (4 * MAX_BYTES + 1)])
def test_a_record_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        load_record(data)
