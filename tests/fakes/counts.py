"""What metrics counted in the course of a test."""

from __future__ import annotations

from bot.metrics import REGISTRY


class Counts:
    """Counters as they stand now; calling it gives by how much one has grown since."""

    def __init__(self) -> None:
        self._before = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        full_name = f"cliffhanger_{name}"
        now = REGISTRY.get_sample_value(full_name, labels) or 0.0
        return now - self._before.get((full_name, tuple(sorted(labels.items()))), 0.0)
