"""A small real model in an adapter's clothes, and a cache folder of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.training_run import make_base, make_run


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers; its context is 128 tokens."""
    return make_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="session")
def run_folder(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on `base_folder` that has added tokens."""
    return make_run(base_folder, tmp_path_factory.mktemp("runs") / "tuned")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where converted models are kept, for the processes that a test starts, too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cliffhanger" / "bench"
