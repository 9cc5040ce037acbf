from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import typer
from fakes.training_run import make_base, make_run
from typer.testing import CliRunner

from model.genres import load_genres
from train.commands.sample import sample
from train.errors import TrainError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    base = make_base(tmp_path_factory.mktemp("models") / "base")
    return make_run(base, tmp_path_factory.mktemp("runs") / "lighthouse")


def stories(*words: str | Path) -> dict[str, str]:
    """What the command prints, by its headings; raises what it raises."""
    app = typer.Typer()
    app.command()(sample)
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    parts = re.split(r"^(\w+, seed \d+) ─+$", result.output, flags=re.MULTILINE)
    assert parts[0].strip() == ""
    return {head: text.strip() for head, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_a_few_stories_of_one_genre(run: Path) -> None:
    asked = (run, "--genre", "scary", "--prompt", "A lonely lighthouse", "-n", "3")
    told = stories(*asked, "--seed", "7", "--max-new-tokens", "16")
    assert list(told) == ["horror, seed 7", "horror, seed 8", "horror, seed 9"]
    assert all(story.startswith("A lonely lighthouse") for story in told.values())
    assert len(set(told.values())) == 3
    alone = stories(*asked[:-1], "1", "--seed", "8", "--max-new-tokens", "16")
    assert alone == {"horror, seed 8": told["horror, seed 8"]}


def test_every_genre_of_a_table_of_ones_own(run: Path, tmp_path: Path) -> None:
    genres = tmp_path / "genres.yaml"
    genres.write_text("genres: [{name: sport}, {name: weather}]\n")
    own = make_run(make_base(tmp_path / "base"), tmp_path / "run", load_genres(genres))
    genres.rename(own / "genres.yaml")
    told = stories(own, "-n", "1", "--max-new-tokens", "8")
    assert list(told) == ["sport, seed 1", "weather, seed 1"]


def test_what_cannot_be_sampled(run: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"There is no genre 'horor'\. Did you mean horror\?"):
        stories(run, "--genre", "horor")
    with pytest.raises(TrainError, match="There is no folder"):
        stories(tmp_path / "nowhere")
    with pytest.raises(TrainError, match=r"temperature is 0\.0; it must be above 0"):
        stories(run, "--temperature", "0")
