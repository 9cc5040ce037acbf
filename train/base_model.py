"""The model a run starts from: loaded or built, taught the control tokens, made ready to train.

What it gives still has its base's behaviour; the training itself is `train.finetune`'s.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model import registry
from model.checkpoint import ModelSource, load, weights_hash
from model.engine import EngineError
from model.genres import GenreTable
from model.prompt import BOS, EOS, PAD, PromptFormat
from train.errors import TrainError
from train.recipe import Lora, Recipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class BaseModel:
    """What the Trainer gets, and what must be known of where it came from."""

    model: Any
    """A PreTrainedModel, or a PeftModel around one."""
    tokenizer: PreTrainedTokenizerBase
    text: PromptFormat
    revision: str
    """Tells the weights it starts from apart from all others."""
    context_length: int


def open_base(recipe: Recipe, table: GenreTable, *, bfloat16: bool) -> BaseModel:
    """The model that `recipe` names, with its new tokens and, if it asks for one, its adapter.

    Frozen weights are held in bfloat16 if `bfloat16`; weights that train are float32 always.
    Raises TrainError.
    """
    held_in = "bfloat16" if bfloat16 and recipe.lora else "float32"
    if recipe.model_name_or_path is None:
        model, tokenizer, source = *_from_scratch(recipe, table), None
    else:
        source = _resolve(recipe.model_name_or_path)
        if source.adapter is not None and recipe.lora is not None:
            raise TrainError(
                f"{recipe.model_name_or_path} is an adapter itself, and an adapter on an adapter "
                "cannot be served: start from base, or merge it first with `train export --merge`"
            )
        model, tokenizer = _loaded(source, table, held_in)
        _add_tokens(model, tokenizer, table)
    context_length = _context_length(model)
    revision = "scratch" if source is None else source.revision or weights_hash(source.folder)
    if recipe.lora is not None and source is not None:
        name = _name_for_serving(str(recipe.model_name_or_path))
        model = _with_lora(model, recipe.lora, name, revision, _own(tokenizer, table))
    return BaseModel(model, tokenizer, PromptFormat(tokenizer, table), revision, context_length)


def new_tokens(table: GenreTable) -> list[str]:
    """The control tokens of the text format, in the order in which they are added."""
    return [BOS, EOS, PAD, *(genre.token for genre in table)]


def _resolve(name: str) -> ModelSource:
    try:
        return registry.resolve(name)
    except EngineError as error:
        raise TrainError(str(error)) from error


def _loaded(
    source: ModelSource, table: GenreTable, dtype: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        loaded = load(source, device="cpu", dtype=dtype, genres=table)
    except EngineError as error:
        raise TrainError(str(error)) from error
    return loaded.model, loaded.tokenizer


def _from_scratch(
    recipe: Recipe, table: GenreTable
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

    from model.general_decoder import check_attention

    tokenizer = AutoTokenizer.from_pretrained(
        _resolve(recipe.tokenizer_name).folder, local_files_only=True
    )
    _teach(tokenizer, table)
    sizes = dict(recipe.config or {})
    kind = str(sizes.pop("model_type"))
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    set_seed(recipe.seed)
    try:
        config = AutoConfig.for_model(kind, **{"vocab_size": len(tokenizer)} | ids | sizes)
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        check_attention(model.eval())  # what could not be served is not worth training
    except (EngineError, StrictDataclassError, ValueError, TypeError, KeyError) as error:
        problem = " ".join(str(error).split())[:200]
        raise TrainError(f"No {kind} can be built from `config`: {problem}") from error
    return model, tokenizer


def _teach(tokenizer: PreTrainedTokenizerBase, table: GenreTable) -> None:
    """Give a tokenizer the control tokens it lacks, and their roles."""
    tokenizer.add_special_tokens({"bos_token": BOS, "eos_token": EOS, "pad_token": PAD})
    tokenizer.add_tokens([genre.token for genre in table], special_tokens=True)


def _add_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, table: GenreTable
) -> None:
    """Teach tokenizer and embeddings the control tokens.

    A new row begins as what it is most like: BOS, EOS and PAD as the base's own begin and end, a
    genre as the mean of its label's words.
    """
    plain = PromptFormat(tokenizer, table)
    known = tokenizer.get_vocab()
    end = tokenizer.eos_token_id
    begin = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    like = {token: [i] for token, i in ((BOS, begin), (EOS, end), (PAD, end)) if i is not None}
    like |= {genre.token: plain.encode_text(f" {genre.label}") for genre in table}
    _teach(tokenizer, table)
    embeddings: Any = model.get_input_embeddings()
    if len(tokenizer) > embeddings.num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for matrix in _token_matrices(model):
        for token in new_tokens(table):
            if token not in known and token in like:
                row = tokenizer.convert_tokens_to_ids(token)
                matrix[row] = matrix[like[token]].float().mean(0).to(matrix.dtype)


def _token_matrices(model: PreTrainedModel) -> list[torch.Tensor]:
    """Weights (V, D) of the embedding and, where it is another matrix, of the output head."""
    inputs: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    matrices = [inputs.weight.detach()]
    if head is not None and head.weight is not inputs.weight:
        matrices.append(head.weight.detach())
    return matrices


def _own(tokenizer: PreTrainedTokenizerBase, table: GenreTable) -> list[int]:
    """Rows of the control tokens: an adapter trains them beside its matrices."""
    rows: Any = tokenizer.convert_tokens_to_ids(new_tokens(table))
    return sorted(rows)


def _with_lora(model: Any, lora: Lora, name: str, revision: str, rows: list[int]) -> Any:
    from peft import LoraConfig, get_peft_model

    inputs, head = model.get_input_embeddings(), model.get_output_embeddings()
    separate = [inputs] if head.weight is inputs.weight else [inputs, head]
    tokens = {path.rpartition(".")[2]: rows for path, m in model.named_modules() if m in separate}
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        use_rslora=lora.use_rslora,
        trainable_token_indices=tokens,
        base_model_name_or_path=name,
        revision=revision,
    )
    model.name_or_path = name  # peft would write the folder it was loaded from
    with warnings.catch_warnings():
        # GPT-2's transposed layers are recognised all the same.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        # Asked for by peft itself.
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated")
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            raise TrainError(f"lora.target_modules: {error}") from error


def _name_for_serving(name: str) -> str:
    """The name under which whoever serves the adapter finds its base, from any folder."""
    if name == registry.DEFAULT:  # which will be another model once it has an adapter
        return registry.BASE
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def _context_length(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    lengths = [getattr(config, key, None) for key in ("max_position_embeddings", "sliding_window")]
    return min((int(length) for length in lengths if length), default=10**9)
