"""The console over a whole core: what is typed goes in as lines, what is printed is compared."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from fakes.core import PATIENCE_S, Core, eventually, telling

from bot import wording
from bot.console.console import ConsolePlatform
from bot.console.lines import LineReader
from bot.console.screen import Output, Screen
from bot.domain import Caller, Status, Story, StoryUpdate
from bot.errors import DatabaseError
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES

MakeCore = Callable[..., Awaitable[Core]]
TEXT = " stood there. It was dark."
STORY = "A lonely lighthouse stood there. It was dark."


class Typed(LineReader):
    """Lines as from a pipe, or, after `is_terminal`, as from a person; a callable runs first."""

    def __init__(
        self, *lines: str | Callable[[], Awaitable[None]], is_terminal: bool = False
    ) -> None:
        self.is_terminal = is_terminal
        self._lines = iter(lines)

    async def next(self) -> str | None:
        for line in self._lines:
            if isinstance(line, str):
                return line
            await line()
        return None


class Sitting:
    """One run of the console."""

    def __init__(self, core: Core, reader: LineReader) -> None:
        self._printed = io.StringIO()
        out = Output(file=self._printed, force_terminal=reader.is_terminal, color_system=None)
        self.platform = ConsolePlatform(
            core.service, reader=reader, screen=Screen(core.service.genres, out)
        )

    async def run(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            await self.platform.run()
        return self.printed

    @property
    def printed(self) -> str:
        return self._printed.getvalue()


@pytest.fixture(autouse=True)
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user at the console."""
    monkeypatch.setenv("LOGNAME", "ada")


@pytest.fixture
async def told(make_core: MakeCore) -> Core:
    """A core whose stories all end alike."""
    return await make_core(engine=telling(TEXT))


async def printed(core: Core, *lines: str) -> str:
    return await Sitting(core, Typed(*lines)).run()


def story(author: str) -> Story:
    return Story(
        1, Status.WRITING, 1, 1, author, "horror", "", "", "", SamplingParams(), created_at=0.0
    )


async def seed_of(core: Core, story_id: int) -> int:
    return (await core.row(story_id)).sampling.seed


# -- on a pipe -------------------------------------------------------------------------------------
async def test_the_demonstration(told: Core, capsys: pytest.CaptureFixture[str]) -> None:
    sitting = Sitting(
        told, Typed("/story horror A lonely lighthouse", "/as reader", "/vote 1 up", "/top")
    )
    assert await sitting.run() == (
        "#1 · horror by ada\n"
        f"{STORY}\n"
        f"👍 0 👎 0 · written by scripted, seed {await seed_of(told, 1)}\n"
        "\n"
        "You are reader now.\n"
        "👍 for story #1. It has 1 up, 0 down.\n"
        "The best stories\n"
        "🥇 👍 1 👎 0  #1 · horror by ada\n"
        f"   {STORY}\n"
    )
    assert sitting.platform.failures == 0
    assert capsys.readouterr().err == ""


async def test_errors_go_to_standard_error_with_their_line_and_are_counted(
    told: Core, capsys: pytest.CaptureFixture[str]
) -> None:
    sitting = Sitting(
        told,
        Typed(
            "# a remark",
            "",
            "/story horor A house",
            "   ",
            "/read twelve",
            "hello there",
            "/dance",
            "/vote 9 up",
            "/as",
            "/genres",
        ),
    )
    out = await sitting.run()
    assert out.startswith("Genres and ways to begin\nsuperhero (superhero)\n")
    assert capsys.readouterr().err.splitlines() == [
        "line 3: /story horor A house: I don't know the genre “horor”. Did you mean horror? "
        "Choose one of: superhero, sci_fi, action, drama, horror, thriller.",
        "line 5: /read twelve: “twelve” is not a story's number. Give a number such as 12.",
        "line 6: hello there: I don't know the command hello. /help lists them all.",
        "line 7: /dance: I don't know the command /dance. /help lists them all.",
        "line 8: /vote 9 up: There is no story #9 here.",
        "line 9: /as: There is nothing to read in that. Please write a few words.",
    ]
    assert sitting.platform.failures == 6


async def test_a_story_that_fails_is_printed_and_counted(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(""))
    sitting = Sitting(core, Typed("/story horror A house"))
    assert await sitting.run() == (
        "#1 · horror by ada\n"
        "Nothing came to me for that opening. Try /retry 1, or another opening.\n"
        "\n"
    )
    assert sitting.platform.failures == 1


async def test_a_mishap_of_ours_does_not_end_the_console(
    told: Core, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def mishap(*given: object) -> None:
        raise ZeroDivisionError

    told.service.random = mishap  # type: ignore[method-assign, assignment]
    sitting = Sitting(told, Typed("/random", "/queue"))
    assert await sitting.run() == "Nobody is waiting, none is being written.\n"
    assert sitting.platform.failures == 1
    assert capsys.readouterr().err == (
        "line 1: /random: Something went wrong on my side, and nothing was lost. "
        "Please try again.\n"
    )
    assert "ZeroDivisionError" in caplog.text


async def test_what_the_operator_must_mend_ends_it(told: Core) -> None:
    async def broken(*given: object) -> None:
        raise DatabaseError("the disk fell off")

    told.service.random = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(DatabaseError):
        await printed(told, "/random")


async def test_quit_leaves_before_the_end_of_input(told: Core) -> None:
    assert await printed(told, "/quit", "/genres") == ""


async def test_continue_retry_read_random_and_mine(told: Core) -> None:
    out = await printed(
        told,
        "/story horror A lonely lighthouse",
        "/continue #1 Then a bell",
        "/continue 1",
        "/retry 1",
    )
    blocks = out.split("\n\n")
    assert [block.splitlines()[:2] for block in blocks[:4]] == [
        ["#1 · horror by ada", STORY],
        ["#2 · horror by ada · continues #1", "Then a bell stood there. It was dark."],
        ["#3 · horror by ada · continues #1", "stood there. It was dark."],
        ["#4 · horror by ada · another version of #1", STORY],
    ]
    assert (await printed(told, "/read #2")).strip() == blocks[1].strip()
    assert (await printed(told, "/random scary")).startswith("#")
    assert await printed(told, "/mine") == (
        "Your stories\n"
        f"1. 👍 0 👎 0  #4 · horror by ada · another version of #1\n   {STORY}\n"
        "2. 👍 0 👎 0  #3 · horror by ada · continues #1\n   stood there. It was dark.\n"
        "3. 👍 0 👎 0  #2 · horror by ada · continues #1\n"
        "   Then a bell stood there. It was dark.\n"
        f"4. 👍 0 👎 0  #1 · horror by ada\n   {STORY}\n"
    )


async def test_titles_lengths_and_tabs(told: Core) -> None:
    out = await printed(told, '/story\thorror "The Lamp" A lonely lighthouse length:short')
    assert out.splitlines()[:3] == [
        "#1 · horror by ada",
        "The Lamp",
        f'"The Lamp" is a horror film. {STORY}',
    ]
    assert (await told.row(1)).sampling.max_new_tokens == 100


async def test_votes_top_and_its_periods(told: Core) -> None:
    out = await printed(
        told,
        "/story horror A lonely lighthouse",
        "/as ben",
        "/vote 1 down",
        "/vote 1 up",
        "/vote 1 clear",
        "/top horror week",
    )
    assert out.split("\n\n")[1].splitlines() == [
        "You are ben now.",
        "👎 for story #1. It has 0 up, 1 down.",
        "👍 for story #1. It has 1 up, 0 down.",
        "Your vote on story #1 is taken back. It has 0 up, 0 down.",
        "The best horror stories · week",
        "🥇 👍 0 👎 0  #1 · horror by ada",
        f"   {STORY}",
    ]


async def test_cancel_and_queue(make_core: MakeCore) -> None:
    """Another sitting's story, since on a pipe each command waits for its own."""
    core = await make_core(worker=False)
    me = Caller("console", "ada", "ada", "console", "console")
    story = await core.service.write(me, "horror", "A lonely lighthouse")
    assert await printed(core, "/queue", f"/cancel {story.id}", "/queue") == (
        "One story is waiting, none is being written.\n"
        "A new story would begin in about 40 seconds.\n"
        "Your story #1 is number 1 in line.\n"
        "#1 · horror by ada\n"
        "A lonely lighthouse\n"
        "Cancelled.\n"
        "\n"
        "Nobody is waiting, none is being written.\n"
        "A new story would begin in about 20 seconds.\n"
    )


async def test_about_privacy_and_help(told: Core) -> None:
    about = await printed(told, "/about")
    assert "Model: scripted (revision 1), 0 million parameters, on none. Licence: MIT." in about
    assert "/forget removes it" in await printed(told, "/privacy")
    help_text = await printed(told, "/help")
    for command in wording.COMMANDS:
        assert f"\n/{command}" in help_text
    assert "/as NAME" in help_text


async def test_about_on_a_pipe_waits_for_the_model(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    sitting = Sitting(core, Typed("/about"))
    running = asyncio.create_task(sitting.run())
    done, _ = await asyncio.wait([running], timeout=0.2)
    assert not done
    core.start_worker()
    assert "Model: scripted" in await running


async def test_about_waits_only_so_long_and_not_at_all_for_a_person(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    patient = Sitting(core, Typed("/about"))
    patient.platform.worker_wait_s = 0.05
    assert "No model is loaded yet" in await patient.run()
    person = Sitting(core, Typed("/about", is_terminal=True))
    person.platform.worker_wait_s = float("inf")
    assert "No model is loaded yet" in await person.run()


async def test_export_and_forget(told: Core) -> None:
    out = await printed(told, "/story horror A lonely lighthouse", "/export")
    data = json.loads(out.split("\n\n", 1)[1])
    assert data["identities"][0]["name"] == "ada"
    assert [story["text"] for story in data["stories"]] == [STORY]
    assert await printed(told, "/forget") == (
        "Done. One story lost its words and there were no votes.\n"
    )
    assert (await told.row(1)).status is Status.DELETED


async def test_accounts_are_linked_and_parted(told: Core) -> None:
    async def offer() -> str:
        return await told.service.linking.offer(Caller("discord", "7", "Ada", "8"))

    person = Sitting(told, Typed(f"/link {await offer()}", "n", is_terminal=True))
    assert "Are you Ada on Discord?" in await person.run()
    out = await printed(told, f"/link {(await offer()).lower()}", "/link", "/unlink")
    done, linked, code, parted = out.splitlines()
    assert done.startswith("Done. You and Ada on Discord are one person here.")
    assert linked == "You are one person here: ada on console, Ada on Discord."
    assert code.startswith("Your code is ")
    assert parted.startswith("Done. This account stands by itself again")


async def test_markup_in_what_people_write_is_only_text(told: Core) -> None:
    out = await printed(told, "/story horror [bold]A house[/bold] \x1b[31m:smile:")
    assert out.splitlines()[1].startswith("[bold]A house[/bold] [31m:smile: stood")


@pytest.mark.parametrize("name", ["", "\u202e", "\u200d", "\x1b\x07", "\u3164", "\ufeff"])
async def test_a_name_that_shows_nothing_is_refused(
    told: Core, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    sitting = Sitting(told, Typed(f"/as {name}"))
    assert await sitting.run() == ""
    assert sitting.platform.failures == 1
    assert "There is nothing to read in that." in capsys.readouterr().err


async def test_a_name_is_shown_harmless_and_at_most_80_letters_long(told: Core) -> None:
    out = await printed(told, "/as a\u202eb \x1b[31m", f"/as {'x' * 81}", "/story horror A mill")
    assert out.splitlines()[:3] == [
        "You are ab [31m now.",
        f"You are {'x' * 80} now.",
        f"#1 · horror by {'x' * 80}",
    ]


def test_an_old_name_is_shown_harmless_too() -> None:
    printed = io.StringIO()
    Screen(DEFAULT_GENRES, Output(file=printed)).stories("", [story("a\u202eda")], medals=False)
    assert "horror by ada\n" in printed.getvalue()


# -- on a terminal ---------------------------------------------------------------------------------
async def test_a_person_is_welcomed_and_errors_have_no_line(
    told: Core, capsys: pytest.CaptureFixture[str]
) -> None:
    out = await Sitting(told, Typed("/dance", is_terminal=True)).run()
    assert out.startswith("You are ada. Try: /story horror A lonely lighthouse.")
    assert capsys.readouterr().err == "I don't know the command /dance. /help lists them all.\n"


async def test_a_story_grows_on_the_terminal_and_ctrl_c_stops_it(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(TEXT))
    core.gate.hold()
    sitting = Sitting(core, Typed("/story horror A lonely lighthouse", is_terminal=True))
    running = asyncio.create_task(sitting.run())
    await eventually(lambda: sitting.platform._showing is not None)
    core.gate.give(2)
    await core.begun(1, "there.")
    await eventually(lambda: "stood there." in sitting.printed)
    assert sitting.platform.interrupt()
    await running
    assert sitting.printed.rstrip().endswith("A lonely lighthouse stood there.\nCancelled.")
    assert (await core.row(1)).status is Status.CANCELLED
    assert sitting.platform.failures == 0
    assert not sitting.platform.interrupt()


class Paper:
    """What a terminal shows: as much of its control codes as the console uses."""

    def __init__(self, height: int) -> None:
        self.lines = [""]
        self._height = height
        self._row = 0

    def write(self, text: str) -> Paper:
        for control, count, kind, letter in re.findall(
            r"(\x1b\[\??(\d*)([A-Za-z]))|([^\x1b])", text
        ):
            if control:
                self._control(kind, int(count or 1))
            elif letter == "\n":
                self._row += 1
                if self._row == len(self.lines):
                    self.lines.append("")
            elif letter != "\r":
                self.lines[self._row] += letter
        return self

    def _control(self, kind: str, count: int) -> None:
        if kind == "A":  # up, though never to what has scrolled away
            self._row = max(len(self.lines) - self._height, 0, self._row - count)
        elif kind == "K":
            self.lines[self._row] = ""


@pytest.mark.parametrize(("width", "height"), [(80, 24), (50, 8)])
async def test_a_story_longer_than_the_terminal_leaves_nothing_stale(
    width: int, height: int
) -> None:
    """While written its last lines show, folded at words; then it stands there whole, once."""
    words = [f"word{n}" for n in range(300)]
    printed = io.StringIO()
    out = Output(file=printed, force_terminal=True, color_system=None, width=width, height=height)
    begun = story("ada")

    async def growing() -> AsyncIterator[StoryUpdate]:
        for n in range(10, 300, 10):
            yield StoryUpdate(replace(begun, text=" ".join(words[:n])))
            seen = Paper(height).write(printed.getvalue()).lines[-height:]
            assert words[n - 1] in " ".join(seen).split()
            assert max(map(len, seen)) <= width
        yield StoryUpdate(replace(begun, status=Status.FINISHED, text=" ".join(words)))

    await Screen(DEFAULT_GENRES, out).follow(growing())
    lines = Paper(height).write(printed.getvalue()).lines
    assert lines[0] == "#1 · horror by ada"
    assert " ".join(lines[1:]).split() == words
    assert max(map(len, lines)) <= width


async def test_ctrl_c_on_a_pipe_means_the_program(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(TEXT))
    core.gate.hold()
    sitting = Sitting(core, Typed("/story horror A lonely lighthouse"))
    running = asyncio.create_task(sitting.run())
    await eventually(lambda: sitting.platform._showing is not None)
    assert not sitting.platform.interrupt()
    core.gate.open()
    await running
    assert (await core.row(1)).status is Status.FINISHED


async def test_ctrl_c_as_the_story_ends(told: Core) -> None:
    """The cancel comes too late, and says nothing."""
    sitting = Sitting(told, Typed(is_terminal=True))
    story = await told.finished()
    sitting.platform._showing = story.id
    assert sitting.platform.interrupt()
    stopping = sitting.platform._stopping
    assert stopping is not None
    await stopping


@pytest.mark.parametrize(("answer", "status"), [("y", Status.DELETED), ("", Status.FINISHED)])
async def test_forget_asks_a_person_first(told: Core, answer: str, status: Status) -> None:
    await printed(told, "/story horror A lonely lighthouse")
    out = await Sitting(told, Typed("/forget", answer, is_terminal=True)).run()
    assert "Are you sure? [y/N]" in out
    assert (await told.row(1)).status is status


# -- reading lines ---------------------------------------------------------------------------------
async def read_all(monkeypatch: pytest.MonkeyPatch, data: bytes) -> list[str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    reader = LineReader()
    assert not reader.is_terminal
    lines = []
    async with asyncio.timeout(PATIENCE_S):
        while (line := await reader.next()) is not None:
            lines.append(line)
    return lines


async def test_lines_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    data = "\ufeff/story horror Größe\r\n\n/top".encode()
    assert await read_all(monkeypatch, data) == ["/story horror Größe", "", "/top"]


async def test_a_wrong_letter_spoils_its_line_only(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"/story horror Gr\xf6\xdfe\n/top\n"
    assert await read_all(monkeypatch, data) == ["/story horror Gr\ufffd\ufffde", "/top"]


async def test_no_input_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert await LineReader().next() is None


def test_a_process_stops_while_it_waits_for_a_line() -> None:
    """Python aborts where a thread waits inside the buffer of standard input."""
    program = """
import asyncio
from bot.console.lines import LineReader
async def main():
    line = asyncio.ensure_future(LineReader().next())
    await asyncio.wait([line], timeout=0.3)
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.wait(timeout=30) == 0, process.stderr.read()


async def test_the_end_of_a_persons_input(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["/top", EOFError()])

    def typed(prompt: str) -> str:
        answer = next(answers)
        if isinstance(answer, EOFError):
            raise answer
        return answer

    monkeypatch.setattr("builtins.input", typed)
    reader = LineReader()
    reader.is_terminal = True
    assert [await reader.next(), await reader.next()] == ["/top", None]


async def test_a_pipe_waits_for_stories_that_were_open_when_it_began(make_core: MakeCore) -> None:
    """As after a crash: an empty pipe is enough to have them finished."""
    core = await make_core(worker=False)
    me = Caller("console", "ada", "ada", "console", "console")
    ids = [(await core.service.write(me, "horror", f"House {n}")).id for n in range(3)]
    sitting = asyncio.create_task(printed(core))
    await asyncio.sleep(0.05)
    assert not sitting.done()
    core.start_worker()
    await sitting
    assert [(await core.row(one)).status for one in ids] == [Status.FINISHED] * 3
