"""`train finetune`: a recipe, with any of its knobs as an option."""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
import yaml
from pydantic.fields import FieldInfo
from rich.console import Console

from train.errors import TrainError
from train.recipe import Recipe, built_in_recipes, load_recipe

_AS_MAPPING = {"lora", "config", "trainer"}
"""Knobs that are mappings: they are set by --set."""


def _with_knobs(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option for every plain field of Recipe, in place of its **knobs."""
    own = [
        p
        for p in inspect.signature(command, eval_str=True).parameters.values()
        if p.name != "knobs"
    ]
    knobs = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[_option_type(field) | None, _option(name, field)],
        )
        for name, field in Recipe.model_fields.items()
        if name not in _AS_MAPPING
    ]
    signature = inspect.Signature([*own, *knobs])
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    vars(command)["__signature__"] = signature
    return command


def _option(name: str, field: FieldInfo) -> Any:
    flag = name.replace("_", "-")
    is_switch = _option_type(field) is bool
    return typer.Option(
        f"--{flag}/--no-{flag}" if is_switch else f"--{flag}",
        help=field.description,
        show_default=False,
        rich_help_panel="Knobs of the recipe",
    )


def _option_type(field: FieldInfo) -> Any:
    """The type of a field's option: its own without None; of words, a string."""
    plain = field.annotation
    if get_origin(plain) in (Union, types.UnionType):
        plain = next(kind for kind in get_args(plain) if kind is not type(None))
    return str if get_origin(plain) is Literal else plain


def finetune(
    recipe: Annotated[
        str,
        typer.Argument(help=f"A YAML file, or one of: {', '.join(built_in_recipes())}."),
    ] = "default-adapter",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any knob, such as lora.r=8 or lora=null; repeatable"
        ),
    ] = None,
    **knobs: Any,
) -> None:
    """Train a model on prepared stories; given again, goes on where it was stopped."""
    given = {name: value for name, value in knobs.items() if value is not None}
    overrides = _parsed(settings or []) | given
    # One voice where accelerate runs several processes.
    console = Console(quiet=int(os.environ.get("RANK", "0")) > 0, highlight=False)
    checked = load_recipe(recipe, overrides)
    from train.finetune import finetune as run_finetune

    end = run_finetune(checked, console)
    if end.stopped_by:
        console.print(
            f"Stopped after step {end.steps:,} with a checkpoint in {end.run}; the same command "
            "goes on from there",
            soft_wrap=True,
        )
        raise typer.Exit(128 + end.stopped_by)
    loss = "" if end.best_eval_loss is None else f", best eval loss {end.best_eval_loss:.4f}"
    console.print(
        f"Done after {end.steps:,} steps{loss}. Report: {end.run / 'report.md'}. "
        f"Serve it: MODEL={end.run} cliffhanger run",
        soft_wrap=True,
    )


def _parsed(settings: list[str]) -> dict[str, Any]:
    overrides = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise TrainError(f"--set {setting} is no KEY=VALUE, such as lora.r=8")
        overrides[key.strip()] = yaml.safe_load(value)
    return overrides


finetune = _with_knobs(finetune)
