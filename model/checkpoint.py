"""From a folder of weights to a model that is known to run: load, merge its adapter, check.

A model that is broken, of another architecture or at odds with its tokenizer or adapter is
refused here, with what is wrong, before it writes its first word. Knows no network: where the
folder comes from is `model.registry`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.engine import EngineError, EngineInfo, ModelUnusable
from model.files import check_tokenizer, check_weights, read_json, weight_files
from model.genres import DEFAULT_GENRES, GenreTable
from model.prompt import PromptFormat

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_COMMIT = re.compile(r"(gguf-)?[0-9a-f]{7,64}")  # and not the name of a branch, such as "main"
_PLAIN = "The door was open."
_ASSUMED_CONTEXT = 2048  # tokens; for the few configurations that name no length


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model on this machine's disk, and where it came from."""

    name: str
    """As the operator gave it."""
    folder: Path
    """Holds config.json, the weights and the tokenizer."""
    revision: str | None = None
    """Hub commit or hash of the weights; None: `load` takes the hash."""
    adapter: Path | None = None
    """Folder of a PEFT adapter to merge, or None."""
    licence: str = "unknown"
    mend: str = ""
    """What the operator can do where its files are broken."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to run."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    format: PromptFormat
    info: EngineInfo


def load(
    source: ModelSource,
    *,
    device: str = "auto",
    dtype: str | None = None,
    genres: GenreTable = DEFAULT_GENRES,
) -> LoadedModel:
    """Load `source` onto `device` ("auto", "cpu", "cuda", "mps").

    `dtype` is a torch type's name; None takes float32 on a CPU, else bfloat16 or float16. Raises
    ModelUnusable.
    """
    import torch

    from model.general_decoder import check_attention

    place = device_of(device)
    kind = _dtype(place) if dtype is None else getattr(torch, dtype)
    with complaints_about(source), _quiet():
        config = _config(source.folder)
        tokenizer = read_tokenizer(source)
        model = _weights(source.folder, config, kind)
        if source.adapter is not None:
            model = _with_adapter(model, tokenizer, source.adapter, source.revision)
        _check_vocabulary(model, tokenizer)
        model = model.to(place).eval()  # type: ignore[arg-type]
        check_attention(model)
        text_format = PromptFormat(tokenizer, genres)
    info = EngineInfo(
        model=source.name,
        revision=source.revision or weights_hash(source.folder),
        adapter_hash=adapter_hash(source.adapter) if source.adapter else None,
        n_parameters=model.num_parameters(),
        context_length=_context_length(model),
        device=place.type,
        dtype=str(kind).removeprefix("torch."),
        has_genre_tokens=text_format.has_genre_tokens,
        licence=source.licence,
    )
    return LoadedModel(model, tokenizer, text_format, info)


def check(source: ModelSource) -> None:
    """What can be known of `source` in a moment, before its weights are loaded.

    Raises ModelUnusable where its configuration, weight files or tokenizer are broken.
    """
    with complaints_about(source):
        config = read_json(source.folder / "config.json")
        names = config.get("architectures") or []
        _check_architecture(config.get("model_type", ""), [str(name) for name in names])
        for path in weight_files(source.folder):
            check_weights(path)
        if source.adapter is not None:
            check_weights(source.adapter / ADAPTER_WEIGHTS)
        check_tokenizer(_tokenizer_folder(source))


def convert_gguf(gguf: Path, target: Path) -> None:
    """Write the quantised model in `gguf` to the folder `target` as safetensors, tokenizer and all.

    In float16: half the disk of float32 and of the reading at every start. On film plots it moves
    the default model's loss from 3.7625 to 3.7626 nats a token, far less than the 4-bit rounding
    that the weights have been through. Loading the result needs no gguf package. Raises OSError
    where the disk is full.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # The reader of GGUF has a progress bar of its own, which cannot be turned off.
    with _quiet(), contextlib.redirect_stderr(io.StringIO()):
        where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float16, **where)
        # Its configuration still says that it is GGUF, which cannot be saved; what it says of the
        # architecture makes the same model anew.
        config = model.config.to_dict()
        del config["quantization_config"]
        plain = type(model)(type(model.config).from_dict(config))
        plain.half()  # type: ignore[no-untyped-call]
        plain.load_state_dict(model.state_dict())
        plain.generation_config = model.generation_config
        save(plain, tokenizer, target)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, target: Path) -> None:
    """Write a model and its tokenizer to the folder `target`. Raises OSError."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    except SafetensorError as error:  # its name for a full disk, among others
        raise OSError(f"{target.name} cannot be written: {error}") from error


def weights_hash(folder: Path) -> str:
    """sha256 over a folder's weight files, first 16 hex digits: tells two models apart."""
    return _digest(sorted(p for kind in ("*.safetensors", "*.bin") for p in folder.glob(kind)))[:16]


def adapter_hash(folder: Path) -> str:
    """sha256 of an adapter: its configuration and its weights."""
    return _digest([folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS])


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """An adapter's configuration. Raises ModelUnusable."""
    data = read_json(folder / ADAPTER_CONFIG)
    if not data.get("base_model_name_or_path"):
        raise ModelUnusable(f"{folder / ADAPTER_CONFIG} does not say which model it adapts")
    return data


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    read_json(folder / "config.json")  # transformers' own complaints do not name the file
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    _check_architecture(config.model_type, getattr(config, "architectures", None) or [])
    return config


def _check_architecture(model_type: str, names: list[str]) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    causal = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type, ())
    accepted = {causal} if isinstance(causal, str) else set(causal)
    if not accepted or (names and not accepted & set(names)):
        raise ModelUnusable(
            f"its architecture, {', '.join(names) or model_type or 'not named'}, does not continue "
            "text; a causal language model such as GPT-2 or Llama is needed"
        )


def _tokenizer_folder(source: ModelSource) -> Path:
    """An adapter that has added tokens brings the tokenizer that knows them."""
    if source.adapter is not None and (source.adapter / "tokenizer_config.json").is_file():
        return source.adapter
    return source.folder


def read_tokenizer(source: ModelSource) -> PreTrainedTokenizerBase:
    """The tokenizer of a model or of its adapter. Raises ModelUnusable."""
    from transformers import AutoTokenizer

    folder = _tokenizer_folder(source)
    check_tokenizer(folder)  # without its files, transformers makes up an empty one
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        folder, local_files_only=True
    )
    if not set(tokenizer.encode(_PLAIN, add_special_tokens=False)) - {tokenizer.unk_token_id}:
        raise ModelUnusable(f"the tokenizer in {folder} cannot encode a plain sentence")
    return tokenizer


def _weights(folder: Path, config: Any, dtype: torch.dtype) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    model: PreTrainedModel
    report: dict[str, Any]
    model, report = AutoModelForCausalLM.from_pretrained(  # type: ignore[misc]
        folder, config=config, dtype=dtype, local_files_only=True, output_loading_info=True
    )
    if missing := sorted(report["missing_keys"]):
        raise ModelUnusable(f"{len(missing)} of its weights are missing, such as {missing[0]}")
    return model


def _with_adapter(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, adapter: Path, revision: str | None
) -> PreTrainedModel:
    """`model` with `adapter` merged in, its embeddings first grown by the adapter's tokens."""
    from peft import PeftModel

    wanted = str(read_adapter_config(adapter).get("revision"))
    if revision and _COMMIT.fullmatch(wanted) and wanted != revision:
        raise ModelUnusable(
            f"its adapter in {adapter} was made for revision {wanted} of the base model, and this "
            f"is {revision}"
        )
    if len(tokenizer) > _n_embeddings(model):
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    try:
        with warnings.catch_warnings():  # advice to whoever trains, which an operator does not
            warnings.simplefilter("ignore")
            tuned = PeftModel.from_pretrained(model, str(adapter))
        merged: PreTrainedModel = tuned.merge_and_unload()
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelUnusable(f"its adapter in {adapter} does not fit it: {error}") from error
    return merged


def _check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    n_rows = _n_embeddings(model)
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= n_rows:
        raise ModelUnusable(
            f"its tokenizer has {highest + 1} tokens but its embedding only {n_rows} rows; "
            "they are not of one model"
        )


def _n_embeddings(model: PreTrainedModel) -> int:
    embeddings: Any = model.get_input_embeddings()
    return int(embeddings.num_embeddings)


def _context_length(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    length = getattr(config, "max_position_embeddings", None) or _ASSUMED_CONTEXT
    window = getattr(config, "sliding_window", None)
    # Up to its window, sliding attention is plain attention, which is what our cache gives it.
    return int(min(length, window) if window else length)


def device_of(name: str) -> torch.device:
    """The device called "auto", "cpu", "cuda" or "mps". Raises ModelUnusable."""
    import torch

    if name == "auto":
        mps = torch.backends.mps.is_available()
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelUnusable("device is cuda, but torch sees no such GPU; set it to auto or cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise ModelUnusable("device is mps, but torch sees no such GPU; set it to auto or cpu")
    return torch.device(name)


def _dtype(device: torch.device) -> torch.dtype:
    import torch

    if device.type == "cpu":
        return torch.float32
    whole = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if whole else torch.float16


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


@contextlib.contextmanager
def complaints_about(source: ModelSource) -> Iterator[None]:
    """Turn whatever a library says of a broken folder into one sentence for the operator."""
    advice = f". {source.mend}" if source.mend else ""
    try:
        yield
    except ModelUnusable as error:
        text = f"The model {source.name} cannot be used: {error}"
        raise ModelUnusable(text + advice) from error
    except EngineError:
        raise
    except Exception as error:  # safetensors, tokenizers, transformers and peft each have theirs
        first_line = str(error).strip().partition("\n")[0]
        raise ModelUnusable(
            f"The model {source.name} in {source.folder} cannot be loaded: "
            f"{type(error).__name__}: {first_line}{advice}"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and advice off the operator's screen."""
    from transformers.utils import logging as chatter

    level, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity(logging.ERROR)
    chatter.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        if bars:
            chatter.enable_progress_bar()  # type: ignore[no-untyped-call]
