"""What is really sent to Discord, whole, as it was when somebody last looked at it.

The fake judges every request by the API description; here a change of what members see shows in
`snapshots/`. After looking: `UPDATE_SNAPSHOTS=1 pytest tests/bot/discord/test_payloads.py`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from fakes.discord import FakeDiscord, User
from fakes.discord_house import Gate, Stage, finished
from fakes.discord_state import MANAGE_MESSAGES, MEMBER_PERMISSIONS

from model.scripted_engine import ScriptedEngine

SNAPSHOTS = Path(__file__).parent / "snapshots"
_SNOWFLAKE = re.compile(r"(?<!\d)\d{17,20}(?!\d)")
_SEED = re.compile(r"seed \d+")
_TIME = re.compile(r"<t:\d+:")


@pytest.fixture
def mod(fake: FakeDiscord) -> User:
    may = MEMBER_PERMISSIONS | MANAGE_MESSAGES
    return fake.add_user("Mod", permissions=may)


def check(name: str, body: Any) -> None:
    """That a payload is the one in `snapshots/`, but for ids, seeds and times."""
    text = json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    text = _TIME.sub("<t:0:", _SEED.sub("seed 0", _numbered(text)))
    path = SNAPSHOTS / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no snapshot {name}: see the docstring above"
    assert text == path.read_text(encoding="utf-8")


def _numbered(text: str) -> str:
    """Ids as they come: 1, 2, 3 …"""
    seen: dict[str, str] = {}
    return _SNOWFLAKE.sub(lambda id: seen.setdefault(id[0], f"id-{len(seen) + 1}"), text)


@pytest.fixture(autouse=True)
async def gate(stage: Stage) -> Gate:
    """Of a house whose engine always writes the same."""
    gate = Gate()
    text = " The sea rose that night. Nobody on the whole island said so."
    await stage.start(engine=ScriptedEngine(lambda request: text, step=gate.step))
    return gate


def last_edit(stage: Stage) -> Any:
    return stage.fake.calls_to("PATCH", "/messages/")[-1].body


async def test_a_story_while_it_is_written_and_when_it_is_done(stage: Stage, gate: Gate) -> None:
    gate.hold(after_tokens=5)
    answer = await stage.ask(title="The Lamp", prompt="It went *out*")
    await answer.message("▌")
    check("story-growing", last_edit(stage))
    gate.open()
    await finished(answer)
    check("story-finished", last_edit(stage))


async def test_a_story_in_turns(stage: Stage) -> None:
    answer = await stage.fake.slash(
        stage.ada, stage.channel, "together", genre="drama", line="He left.", title="Gone"
    )
    message = await answer.message("may go on.")
    check("round-open", last_edit(stage))
    form = await (await stage.fake.press(stage.bob, message, "Add a line")).responded()
    check("round-form", form.modal)


@pytest.mark.parametrize("command", ["top", "member", "genres"])
async def test_what_a_command_answers(stage: Stage, command: str) -> None:
    message = await stage.write(title="The Lamp", prompt="It went out")
    await stage.fake.press(stage.bob, message, "👍")
    await stage.fake.until(lambda: "1" in str(message.buttons[0]), "the vote")
    await stage.do(command)
    check(command, last_edit(stage))


async def test_the_picker_and_the_form(stage: Stage) -> None:
    picker = await stage.do("story")
    check("story-picker", last_edit(stage))
    await stage.fake.select(stage.ada, picker, "begin:genre", "horror")
    await stage.fake.until(lambda: "begin:go:horror" in str(picker.components), "the openings")
    check("story-picker-genre", last_edit(stage))
    form = await (await stage.fake.press(stage.ada, picker, "begin:form:horror")).responded()
    check("story-form", form.modal)


async def test_what_moderators_see(stage: Stage, mod: User) -> None:
    message = await stage.write(title="The Lamp", prompt="It went out")
    form = await (await stage.fake.press(stage.bob, message, "Report")).responded()
    check("report-form", form.modal)
    told = await stage.fake.modal_submit(form, reason="Too dark")
    await told.message("Thank you.")
    await stage.do("moderate", mod)
    check("moderate", last_edit(stage))


async def test_refusals_are_for_the_member_alone(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "read", id=9)
    await answer.message("There is no story")
    check("refusal", stage.fake.calls_to("POST", "/webhooks/")[-1].body)
