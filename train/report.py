"""What a person looks at after a run: the loss curve, the final numbers, what they were made with.

Reads only the run's own files, so that a page can be written again at any time. Knows no model.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from train.errors import TrainError

LIBRARIES = ("cliffhanger", "torch", "transformers", "peft", "accelerate")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run folder says of itself."""

    folder: Path
    recipe: dict[str, Any]
    """The resolved recipe."""
    history: list[dict[str, Any]]
    """The Trainer's log, one entry a logging or evaluation step."""
    manifest: dict[str, Any]
    """Of the prepared data; empty where it had none."""
    summary: dict[str, Any]
    """Final numbers, versions and machine; empty before `write_report`."""


def read_run(run: Path) -> RunRecord:
    """The record of the run in the folder `run`. Raises TrainError where it is no run folder."""
    if not (run / "recipe.yaml").is_file():
        raise TrainError(f"{run} is no run folder: it has no recipe.yaml, which finetune writes")
    recipe = _read_recipe(run / "recipe.yaml")
    history = read_json(run / "history.json") if (run / "history.json").is_file() else []
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise TrainError(f"{run / 'history.json'} is no list of log entries; run finetune again")
    return RunRecord(
        run, recipe, history, _manifest(run, recipe), _read_if_there(run / "summary.json")
    )


def write_report(run: Path) -> None:
    """Write loss.png, report.md and summary.json of the run in the folder `run`.

    A copy of the data's manifest is kept beside them. Raises TrainError.
    """
    record = read_run(run)
    summary = _summary(record)
    try:
        if record.manifest:
            write_json(run / "manifest.json", record.manifest)
        write_json(run / "summary.json", summary)
        drawn = draw_curves(record.history, run / "loss.png")
        _write(run / "report.md", report_text(record, summary, with_picture=drawn))
    except OSError as error:
        raise TrainError(f"The report in {run} cannot be written: {error}") from error


def draw_curves(history: list[dict[str, Any]], target: Path) -> bool:
    """Draw train and eval loss and the learning rate over the steps into a PNG.

    False, and no file, where nothing was logged.
    """
    trained = _points(history, "loss")
    judged = _points(history, "eval_loss")
    if not trained and not judged:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    loss, rate = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    mark = "o" if len(trained) == 1 else ""
    if trained:
        loss.plot(*zip(*trained, strict=True), color="#9ab3d5", marker=mark, label="train")
    if judged:
        loss.plot(*zip(*judged, strict=True), color="#b3401f", marker="o", ms=4, label="eval")
        step, lowest = min(judged, key=lambda point: point[1])
        loss.axvline(step, color="#b3401f", lw=0.8, ls=":")
        loss.annotate(
            f"best: {lowest:.3f} at step {step:,.0f}",
            (step, lowest),
            xytext=(-6, 22),
            textcoords="offset points",
            ha="right" if step > (trained or judged)[-1][0] / 2 else "left",
        )
    loss.set_ylabel("loss (nats a token)")
    loss.margins(y=0.12)
    loss.legend(frameon=False)
    if rates := _points(history, "learning_rate"):
        rate.plot(*zip(*rates, strict=True), color="#6a6a6a", marker=mark)
    rate.set_ylabel("learning rate")
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    rate.set_xlabel("optimizer step")
    _tokens_on_top(loss, history)
    for panel in (loss, rate):
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    partial = target.with_name(f".{target.name}")
    figure.savefig(partial, dpi=130, format="png")
    partial.replace(target)
    return True


def _tokens_on_top(panel: Any, history: list[dict[str, Any]]) -> None:
    """A second axis in tokens, of which every step has about as many."""
    tokens = _points(history, "tokens")
    if not tokens or not (each := tokens[-1][1] / max(1, tokens[-1][0])):
        return
    axis = panel.secondary_xaxis("top", (lambda step: step * each, lambda token: token / each))
    axis.set_xlabel("tokens that counted")
    axis.xaxis.set_major_formatter("{x:,.0f}")


def report_text(record: RunRecord, summary: Mapping[str, Any], *, with_picture: bool) -> str:
    """The report as Markdown."""
    parts = [
        f"# Run {record.folder.resolve().name}",
        "![Loss over the steps](loss.png)" if with_picture else "No step was logged.",
        "## Result\n\n" + result_table(summary),
        "## Data\n\n" + data_text(record),
        "## Recipe\n\n```yaml\n" + recipe_text(record.recipe) + "```",
        "## Made with\n\n" + made_with(summary),
    ]
    return "\n\n".join(parts) + "\n"


def data_text(record: RunRecord) -> str:
    """Which stories the run saw, from the manifest where there is one."""
    keys = {"train": "train_data_file"}
    if record.recipe.get("do_eval", True):
        keys["eval"] = "eval_data_file"
    names = {what: record.recipe.get(key) for what, key in keys.items()}
    files = [f"{what}: `{Path(str(name)).name}`" for what, name in names.items() if name]
    parts = [f"{'; '.join(files)}." if files else "", manifest_text(record.manifest)]
    return "\n\n".join(filter(None, parts))


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """What a prepared folder's manifest says of its sources and genres, as Markdown tables."""
    sources = [
        (
            str(row["name"]),
            str(row.get("format", "")),
            str(row.get("licence", "")),
            f"{row.get('rows', 0):,}",
            f"{row.get('kept', 0):,}",
            f"`{str(row.get('sha256', ''))[:12]}`",
        )
        for row in manifest.get("sources", [])
    ]
    genres = [
        (
            str(name),
            f"{row.get('train_before', 0):,}",
            f"{row.get('train_after', 0):,}",
            f"{row.get('words_after', 0):,}",
            f"{row.get('eval', 0):,}",
        )
        for name, row in manifest.get("genres", {}).items()
    ]
    options = ", ".join(f"{name} {value}" for name, value in manifest.get("options", {}).items())
    source_head = ("source", "format", "licence", "rows", "kept", "SHA-256")
    genre_head = (
        "genre", "train stories", "after balancing", "words after balancing", "eval stories"
    )  # fmt: skip
    parts = [
        markdown_table(source_head, sources) if sources else "",
        markdown_table(genre_head, genres) if genres else "",
        f"Prepared with {options}." if options else "",
    ]
    return "\n\n".join(filter(None, parts))


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """The recipe as YAML, with the names of files and folders but not where they lie."""
    return yaml.safe_dump(_without_places(recipe), sort_keys=False, allow_unicode=True)


def made_with(summary: Mapping[str, Any]) -> str:
    """Versions and machine in two lines."""
    versions = ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    return f"{versions}\n\n{summary['machine']}"


def markdown_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table of `rows`; every row is as long as `head`."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Processor, cores, memory and GPUs of this machine, without its name."""
    import torch

    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [f"{_processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GB of memory"]
    parts += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return "; ".join(parts)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what a run gives."""
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises TrainError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainError(f"There is no file {path}") from None
    except (OSError, ValueError) as error:
        raise TrainError(f"{path} cannot be read as JSON: {error}") from error


def write_json(path: Path, data: Any) -> None:
    """Write `data` as JSON, whole or not at all. Raises OSError."""
    _write(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _summary(record: RunRecord) -> dict[str, Any]:
    trained = _points(record.history, "loss")
    judged = _points(record.history, "eval_loss")
    best = min(judged, key=lambda point: point[1], default=None)
    bits = dict(_points(record.history, "eval_bits_per_byte"))
    end = record.history[-1] if record.history else {}
    tokens, seconds = (_last(record.history, key) for key in ("tokens", "seconds"))
    numbers = {
        "best_eval_loss": best[1] if best else None,
        "best_eval_bits_per_byte": bits.get(best[0]) if best else None,
        "best_step": int(best[0]) if best else None,
        "eval_loss": judged[-1][1] if judged else None,
        "train_loss": trained[-1][1] if trained else None,
        "steps": end.get("step"),
        "epochs": end.get("epoch"),
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds if tokens and seconds else None,
    }
    kept = {name: value for name, value in numbers.items() if value is not None}
    return kept | {"versions": versions(), "machine": machine()}


def result_table(summary: Mapping[str, Any]) -> str:
    """The final numbers of a run as a Markdown table."""
    says = {
        "best_eval_loss": ("best eval loss", "{:.4f} nats a token"),
        "best_eval_bits_per_byte": ("with it, bits per byte", "{:.4f}"),
        "best_step": ("at step", "{:,}"),
        "eval_loss": ("last eval loss", "{:.4f} nats a token"),
        "train_loss": ("last train loss", "{:.4f} nats a token"),
        "steps": ("optimizer steps", "{:,}"),
        "epochs": ("epochs", "{:.2f}"),
        "tokens": ("tokens that counted", "{:,.0f}"),
        "seconds": ("training time, without evaluating and saving", "{:,.0f} s"),
        "tokens_per_second": ("tokens a second", "{:,.0f}"),
    }
    rows = [
        (label, form.format(summary[key])) for key, (label, form) in says.items() if key in summary
    ]
    return markdown_table(("", ""), rows)


def _points(history: list[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """Step and value of every entry that has a number there; of two at one step, the later."""
    found = {
        float(row["step"]): float(row[key])
        for row in history
        if "step" in row and isinstance(row.get(key), int | float) and math.isfinite(row[key])
    }
    return sorted(found.items())


def _last(history: list[dict[str, Any]], key: str) -> Any:
    return next((row[key] for row in reversed(history) if key in row), None)


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(item) for key, item in value.items()}
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrainError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise TrainError(f"{path} is no recipe: it holds no mapping")
    return data


def _manifest(run: Path, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Kept in the run once a report was written; before that, beside the data."""
    places = [run]
    if train_file := recipe.get("train_data_file"):
        places.append(Path(str(train_file)).parent)
    manifests = (_read_if_there(place / "manifest.json") for place in places)
    return next((manifest for manifest in manifests if manifest), {})


def _read_if_there(path: Path) -> dict[str, Any]:
    data = read_json(path) if path.is_file() else {}
    if not isinstance(data, dict):
        raise TrainError(f"{path} holds no JSON object")
    return data


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
