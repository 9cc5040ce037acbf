"""`.env.example` is what the settings say it is, and works as a `.env`."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.settings import Settings, env_example

FILE = Path(__file__).parents[1] / ".env.example"
WRITE_IT = "python -c \"from bot.settings import env_example; print(env_example(), end='')\""


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == env_example(), f"run: {WRITE_IT} > .env.example"


def test_every_setting_is_there_once_with_its_comment() -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        (at,) = [
            n for n, line in enumerate(lines) if line.lstrip("#").startswith(f"{name.upper()}=")
        ]
        assert lines[at - 1] == f"# {field.description}"


def test_a_copy_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert Settings(_env_file=FILE) == Settings(_env_file=None)  # type: ignore[call-arg]


def test_uncommenting_every_line_changes_nothing_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    everything = tmp_path / ".env"
    everything.write_text(
        "\n".join(
            line.removeprefix("#") for line in env_example().splitlines() if line[1:2].isupper()
        ),
        encoding="utf-8",
    )
    assert {key.lower() for key in dotenv_values(everything)} == set(Settings.model_fields)
    assert Settings(_env_file=everything) == Settings(_env_file=None)  # type: ignore[call-arg]
