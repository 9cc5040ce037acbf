"""What a fine-tuning run is made of: a YAML file, checked, with the command line's words on top.

Keeps the seed's names. Knows no torch: a mistake in a recipe is found before anything is loaded.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from train.errors import TrainError

_BUILT_IN = Path(__file__).parent / "recipes"


class Lora(BaseModel):
    """A low-rank adapter (https://arxiv.org/abs/2106.09685) in place of training every weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(16, ge=1, description="rank of the two matrices")
    alpha: int = Field(32, ge=1, description="the update is scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: str | list[str] = Field(
        "all-linear", description="names of the layers that get an adapter"
    )
    use_rslora: bool = Field(False, description="scale by alpha / sqrt(r)")


class Recipe(BaseModel):
    """Everything that decides a run. Field names are the YAML's keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model_name_or_path: str | None = Field(
        "base", description="base, a folder or a Hub id; null: from scratch, by `config`"
    )
    config: dict[str, Any] | None = Field(
        None, description="architecture of a model from scratch: model_type and its sizes"
    )
    tokenizer_name: str = Field("base", description="whose tokenizer a model from scratch takes")
    train_data_file: Path | None = Field(None, description="one story a line, by `train prepare`")
    eval_data_file: Path | None = Field(None, description="as train_data_file, of other films")
    genres: Path | None = Field(None, description="genre table in YAML; else the built-in genres")
    output_dir: Path | None = Field(None, description="folder of this run")

    line_by_line: bool = Field(
        False, description="one story a row, cut off at block_size; else rows packed full"
    )
    group_by_length: bool = Field(
        True, description="with line_by_line: stories of like length share a batch"
    )
    document_masking: bool = Field(
        True, description="in a packed row, no story sees the one before it"
    )
    block_size: int = Field(512, ge=8, description="tokens a row")

    lora: Lora | None = Field(None, description="train an adapter; null: every weight")
    learning_rate: float = Field(5e-5, gt=0)
    lr_scheduler_type: str = Field("linear", description="linear, cosine, constant, ...")
    warmup_ratio: float = Field(0.03, ge=0, lt=1, description="share of all steps")
    weight_decay: float = Field(0.0, ge=0)
    per_device_train_batch_size: int = Field(4, ge=1, description="rows a device and step")
    gradient_accumulation_steps: int = Field(1, ge=1)
    gradient_checkpointing: bool = Field(False, description="less memory, some speed")
    num_train_epochs: float = Field(3.0, gt=0)
    max_steps: int | None = Field(None, ge=1, description="instead of num_train_epochs")
    seed: int = Field(42, ge=0)

    do_eval: bool = Field(True, description="evaluate while training, and keep the best")
    eval_steps: int | None = Field(None, ge=1, description="default: save_steps")
    early_stopping_patience: int | None = Field(
        None, ge=1, description="evaluations without a better loss before it stops"
    )
    logging_steps: int = Field(10, ge=1)
    save_steps: int = Field(500, ge=1)
    save_total_limit: int = Field(2, ge=1, description="checkpoints kept, beside the best one")
    resume: bool = Field(True, description="go on from output_dir's last checkpoint, if any")

    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the arithmetic; auto: bfloat16 where the hardware has it"
    )
    torch_compile: Literal["auto"] | bool = Field(
        "auto", description="auto: where a compiler is found and the run is long enough to gain"
    )
    trainer: dict[str, Any] = Field(
        default_factory=dict, description="further fields of transformers' TrainingArguments"
    )

    @property
    def evaluates_every(self) -> int:
        """Optimizer steps between two evaluations."""
        return self.eval_steps or self.save_steps

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.model_name_or_path is None and self.config is None:
            raise ValueError("model_name_or_path is null, so `config` must say what to build")
        if self.model_name_or_path is not None and self.config is not None:
            raise ValueError("`config` is for a model from scratch: set model_name_or_path: null")
        if self.config is not None and not self.config.get("model_type"):
            raise ValueError("`config` needs a model_type, such as gpt2 or llama")
        if self.config is not None and self.lora is not None:
            raise ValueError("an adapter needs a trained base: from scratch, set lora: null")
        if self.do_eval and self.save_steps % self.evaluates_every:
            raise ValueError(
                f"save_steps ({self.save_steps}) must be a multiple of eval_steps "
                f"({self.eval_steps}), so that the best weights are among the saved ones"
            )
        if self.early_stopping_patience and not self.do_eval:
            raise ValueError("early_stopping_patience needs do_eval: true")
        return self


def built_in_recipes() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in _BUILT_IN.glob("*.yaml"))


def load_recipe(name: str, overrides: dict[str, Any]) -> Recipe:
    """The recipe in the file `name`, or built in under that name, with `overrides` on top.

    A dotted override, such as `lora.r`, sets one key of a mapping. Raises TrainError.
    """
    path = _BUILT_IN / f"{name}.yaml" if name in built_in_recipes() else Path(name).expanduser()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(built_in_recipes())
        raise TrainError(f"There is no recipe {name}: neither a file nor one of {known}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise TrainError(f"The recipe {name} cannot be read as YAML: {problem}") from error
    if not isinstance(data, dict):
        raise TrainError(f"The recipe {name} must be a mapping, such as `learning_rate: 0.001`")
    for key, value in overrides.items():
        _set(data, key, value)
    return _checked(name, data)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """The recipe with every default spelled out, as a file that `load_recipe` reads."""
    path.write_text(
        yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
    )


def _set(data: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        data[parent] = dict(data.get(parent) or {})
        data = data[parent]
    data[last] = value


def _checked(name: str, data: dict[str, Any]) -> Recipe:
    try:
        return Recipe(**data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise TrainError(f"The recipe {name} has no knob {where}{_nearest(where)}") from error
        if first["type"] == "value_error":
            raise TrainError(f"The recipe {name}: {first['ctx']['error']}") from error
        raise TrainError(
            f"The recipe {name}: {where} is {first['input']!r}; {first['msg']}"
        ) from error


def _nearest(where: str) -> str:
    parent, _, key = where.rpartition(".")
    known = Lora.model_fields if parent == "lora" else Recipe.model_fields
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
