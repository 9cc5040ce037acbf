from __future__ import annotations

from pathlib import Path

import pytest

from model.genres import DEFAULT_GENRES
from model.prompt import training_text
from train.errors import TrainError
from train.texts import Story, read_stories


def test_what_the_format_writes_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    lines = [training_text("horror", "It rains."), "", training_text("sci_fi", "It rains up.")]
    file.write_text("\ufeff" + "\r\n".join(lines) + "\n", encoding="utf-8")
    assert read_stories(file, DEFAULT_GENRES) == [
        Story("horror", "It rains.", 1),
        Story("sci_fi", "It rains up.", 3),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no story in it"),
        (b"\n\n", "has no story in it"),
        (b"<BOS> <drama> A. <EOS>\nA story.\n", r"train\.txt:2 does not begin with <BOS>"),
        (b"<BOS> <western> A. <EOS>\n", r"train\.txt:1 after <BOS> comes '<western>', no genre"),
        (b"<BOS> <drama> <EOS>\n", r"train\.txt:1 has no story after its genre"),
        (b"\xff\xfe\x00", "cannot be read as UTF-8 text"),
    ],
)
def test_a_file_that_holds_no_stories_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "train.txt"
    file.write_bytes(content)
    with pytest.raises(TrainError, match=says):
        read_stories(file, DEFAULT_GENRES)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"no file .*train\.txt; `train prepare` writes one"):
        read_stories(tmp_path / "train.txt", DEFAULT_GENRES)
