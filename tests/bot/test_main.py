"""The command line, run as an operator runs it: in processes of their own, over real files.

MODEL=scripted stands in for the model, so that no weights are needed; all else is real.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.__main__ import _write_one, main
from bot.doctor import Finding, _model
from bot.settings import load_settings
from model.engine import EngineInfo, GenerationRequest, TextChunk
from model.genres import DEFAULT_GENRES
from model.prompt import clean_story

DEMONSTRATION = "/story horror A lonely lighthouse\n/as reader\n/vote 1 up\n/top\n"
CLEAN = ("MODEL", "DISCORD_TOKEN", "TELEGRAM_TOKEN", "DATABASE_URL", "GENRES_FILE", "LOG_LEVEL")


def cliffhanger(
    folder: Path, *words: str, stdin: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in CLEAN}
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=folder,
        input=stdin,
        env=environment | {"MODEL": "scripted", "PYTHONWARNINGS": "error"} | settings,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_demonstration_of_the_readme(tmp_path: Path) -> None:
    done = cliffhanger(tmp_path, "run", stdin=DEMONSTRATION)
    assert done.returncode == 0, done.stderr
    story, answer, *_ = done.stdout.split("\n\n")
    assert story.startswith("#1 · horror by ")
    assert "\nA lonely lighthouse" in story
    assert answer.splitlines() == [
        "You are reader now.",
        "👍 for story #1. It has 1 up, 0 down.",
        "The best stories",
        done.stdout.splitlines()[-2],
        done.stdout.splitlines()[-1],
    ]
    assert "🥇 👍 1 👎 0  #1 · horror by " in answer
    assert done.stderr == ""


def test_a_failed_command_makes_the_console_fail_and_names_its_line(tmp_path: Path) -> None:
    done = cliffhanger(tmp_path, "console", stdin="/genres\n/story horor x\n/vote 9 up\n")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "line 2: /story horor x: I don't know the genre “horor”. Did you mean horror? Choose one "
        "of: superhero, sci_fi, action, drama, horror, thriller.",
        "line 3: /vote 9 up: There is no story #9 here.",
    ]


def test_the_version(tmp_path: Path) -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    number = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    done = cliffhanger(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"cliffhanger {number}\n")


def test_a_reader_who_leaves_the_pipe_ends_it_quietly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "console"],
        cwd=tmp_path,
        env=os.environ | {"MODEL": "scripted"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write("/story horror A mill\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("#1 · horror by ")
        process.stdout.close()
        process.stdin.write("/genres\n/help\n")
        process.stdin.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 1
    again = cliffhanger(tmp_path, "run", stdin="/read 1\n")
    assert "\nA mill" in again.stdout


def test_letters_that_the_output_lacks_are_replaced(tmp_path: Path) -> None:
    commands = "/story horror A mill\n/as ben\n/vote 1 up\n/read 9\n"
    done = cliffhanger(tmp_path, "run", stdin=commands, PYTHONIOENCODING="ascii")
    assert "\n? 0 ? 0 ? written by scripted" in done.stdout
    assert "\n? for story #1. It has 1 up, 0 down.\n" in done.stdout
    assert done.stderr == "line 4: /read 9: There is no story #9 here.\n"


def test_stories_stay_from_one_start_to_the_next(tmp_path: Path) -> None:
    cliffhanger(tmp_path, "run", stdin='/story drama "The Keeper"\n')
    again = cliffhanger(tmp_path, "run", stdin="/read 1\n")
    assert again.returncode == 0
    assert '"The Keeper" is a drama film about' in again.stdout


def test_export_is_json(tmp_path: Path) -> None:
    done = cliffhanger(tmp_path, "run", stdin="/story drama A mill\n/export\n")
    data = json.loads(done.stdout[done.stdout.index("{") :])
    assert [story["prompt"] for story in data["stories"]] == ["A mill"]


def test_one_story_goes_to_standard_output_alone(tmp_path: Path) -> None:
    words = ("story", "sci-fi", "A", "robot", "--seed", "3", "--max-new-tokens", "60")
    first, second = (cliffhanger(tmp_path, *words) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("A robot")
    assert first.stdout == second.stdout
    assert "seed 3" in first.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "settings", "says"),
    [
        (("story", "horor"), {}, "There is no genre 'horor'. Did you mean horror?"),
        (("story", "horror", "--top-p", "7"), {}, "top_p is 7.0; it must be above 0, at most 1."),
        (("story", "horror", "x" * 601), {}, "That opening has 601 characters; I can take 600."),
        (("run",), {"SLOTS": "0"}, "SLOTS: Input should be greater than or equal to 1"),
        (("run",), {"TOP_P": "7"}, "TOP_P is 7.0; it must be above 0, at most 1"),
        (("run",), {"GENRES_FILE": "none.yaml"}, "none.yaml"),
        (("run", "--platform", "irc"), {}, "There is no platform 'irc'."),
        (("run", "--platform", "discord"), {}, "DISCORD_TOKEN is not set."),
        (("run", "--no-worker"), {}, "QUEUE_URL=memory:// lives inside one process"),
        (("worker",), {}, "QUEUE_URL=memory:// lives inside one process"),
        (("run",), {"QUEUE_URL": "amqp://:x@y"}, "QUEUE_URL begins with 'amqp': no such"),
        (("worker",), {"QUEUE_URL": "amqp://x"}, "no such queue"),
        (("run",), {"DATABASE_URL": "sqlite:////dev/null/x.db"}, "Cannot write beside the"),
        (("db", "upgrade"), {"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL names 'mysql'."),
        (("db", "backup", "b.db"), {}, "cliffhanger.db"),
        (("model", "pull", "gpt2", "--from", "x.whl"), {}, "--from brings the default model"),
        (("train", "finetune", "none.yaml"), {}, "There is no recipe none.yaml"),
    ],
)
def test_an_operators_mistake_is_one_clear_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    settings: dict[str, str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", [])  # what main() sets ends with this test
    monkeypatch.setattr(sys, "argv", ["cliffhanger", *words])
    for key in CLEAN:
        monkeypatch.delenv(key, raising=False)
    for key, value in ({"MODEL": "scripted"} | settings).items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    out, err = capsys.readouterr()
    assert err.startswith("cliffhanger: ")
    assert says in err
    assert ":x@y" not in err  # a password
    assert out == ""


def test_the_database_is_made_copied_and_refused_in_clear_words(tmp_path: Path) -> None:
    assert "0001" in cliffhanger(tmp_path, "db", "upgrade").stdout
    assert cliffhanger(tmp_path, "db", "upgrade").stdout == "The database is up to date.\n"
    assert cliffhanger(tmp_path, "db", "backup", "copy.db").stdout == "Copied to copy.db.\n"
    refused = cliffhanger(tmp_path, "db", "restore", "copy.db")
    assert refused.returncode == 1
    assert "There is a database at cliffhanger.db." in refused.stderr
    restored = cliffhanger(tmp_path, "db", "restore", "--replace", "copy.db").stdout
    assert restored.startswith("Restored copy.db.\nWhat was there is now cliffhanger.db.replaced-")
    again = cliffhanger(tmp_path, "db", "copy", "sqlite:///cliffhanger.db", "sqlite:///new.db")
    assert "           0  stories\n" in again.stdout
    assert again.stdout.endswith("The copy is the same, row by row.\n")
    (tmp_path / "cliffhanger.db").write_bytes(b"not a database, whatever its name says" * 100)
    broken = cliffhanger(tmp_path, "run")
    assert broken.returncode == 1
    assert broken.stderr.startswith("cliffhanger: ")
    assert "cliffhanger.db" in broken.stderr


def test_a_second_bot_on_one_database_is_told_so(tmp_path: Path) -> None:
    environment = os.environ | {"MODEL": "scripted"}
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "console"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write("/help\n")
        first.stdin.flush()
        assert first.stdout.readline() == "What I can do\n"  # it is open, so it has the lock
        second = cliffhanger(tmp_path, "console")
        assert second.returncode == 1
        assert "Another cliffhanger is running on cliffhanger.db." in second.stderr
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=30) == 0
        first.stdin.close()


def test_libraries_log_no_words_and_no_tokens(tmp_path: Path) -> None:
    """At DEBUG too, aiosqlite would log each statement with its values."""
    done = cliffhanger(tmp_path, "run", stdin="/story drama A secret\n", LOG_LEVEL="DEBUG")
    assert done.returncode == 0
    assert "A secret" in done.stdout
    assert "asyncio: Using selector" in done.stderr  # it is DEBUG indeed
    assert "A secret" not in done.stderr


def test_doctor_says_ok_or_what_to_do(tmp_path: Path) -> None:
    well = cliffhanger(tmp_path, "doctor")
    assert [line[:2] for line in well.stdout.splitlines()] == ["ok"] * 8
    assert well.returncode == 0
    unwell = cliffhanger(tmp_path, "doctor", DISCORD_TOKEN="abc", MODEL=str(tmp_path / "gone"))
    said = dict(line[4:].split(": ", 1) for line in unwell.stdout.splitlines() if ": " in line)
    assert said["Discord token"].startswith("DISCORD_TOKEN does not look like a token")
    assert "gone" in said["model"]
    assert unwell.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("config.json", "config.json cannot be read: "),
        ("model.safetensors", "model.safetensors is damaged or cut short: "),
        ("tokenizer.json", "has no tokenizer: tokenizer.json is missing"),
    ],
)
def test_doctor_looks_into_a_models_files(tmp_path: Path, file: str, says: str) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    tokenizer = '{"model": {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}}'
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    sound = {
        "config.json": b'{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}',
        "model.safetensors": len(header).to_bytes(8, "little") + header + bytes(4),
        "tokenizer.json": tokenizer.encode(),
    }
    for name, data in sound.items():
        (folder / name).write_bytes(data)
    settings = load_settings(model=str(folder))
    assert _model(settings) == Finding("model", True, f"{folder} in {folder}")
    if file == "tokenizer.json":
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(sound[file][:-1])
    found = _model(settings)
    assert not found.ok
    assert says in found.advice


def test_doctor_says_where_no_model_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = _model(load_settings(model="default", cache_dir=tmp_path / "file" / "cache"))
    assert not found.ok
    assert f"nothing can be written to {tmp_path / 'file'}: set CACHE_DIR" in found.advice
    found = _model(load_settings(model="default", cache_dir=tmp_path / "new"))
    assert found.advice == "default is not, or not whole, on this machine: cliffhanger model pull"


class LetterEngine:
    """An engine that writes a given text letter by letter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.info = EngineInfo("letters", "1", None, 0, 9999, "none", "none", True)
        self.slots = 1

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        for n, letter in enumerate(self._text):
            yield TextChunk(letter, n + 1)
        yield TextChunk("", len(self._text), "stop")

    async def __aenter__(self) -> LetterEngine:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (' said: "Run!" she cried. "Who? Me?" he asked. They r', '"Who? Me?" he asked.'),
        (" went under... them? he wondered. And so on [1] and", "them? he wondered."),
        (" met Mr. Hale in the U.S. and was glad. So he", "was glad."),
        (" never ended a sentence in all its li", "in all its…"),
        (" ends. Really? she was not su", "A door ends."),
    ],
)
async def test_a_streamed_story_is_printed_once_and_ends_as_it_is_stored(
    capsys: pytest.CaptureFixture[str], text: str, printed: str
) -> None:
    await _write_one(LetterEngine(text), GenerationRequest("horror", "A door"), DEFAULT_GENRES)
    out = capsys.readouterr().out
    assert out == clean_story("A door", text, final=True) + "\n"
    assert out.endswith(printed + "\n")


@pytest.mark.parametrize("words", [("run",), ("story", "horror"), ("model", "pull")])
def test_a_front_end_without_model_libraries_is_told_before_anything_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", [])  # what main() sets ends with this test
    monkeypatch.setattr(sys, "argv", ["cliffhanger", *words])
    monkeypatch.setattr("bot.house.MODEL_LIBRARIES", ("torch_of_another_world",))
    monkeypatch.setenv("MODEL", "default")
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "Not installed: torch_of_another_world." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
