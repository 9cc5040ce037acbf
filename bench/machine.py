"""What a figure was taken on: the machine, the versions, the memory. Linux's /proc tells."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_BUSY = 0.3
"""Load a CPU above which other work is surely running."""


def n_threads() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Resident memory of this process now."""
    return _status("VmRSS")


def peak_memory_bytes() -> int:
    """Most resident memory this process has had, mapped files included.

    Not getrusage's figure, in which a child starts with its parent's peak (Linux's setrusage
    counts the address space that exec leaves behind).
    """
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024


def describe() -> dict[str, str | int | float]:
    """The machine, for a results file."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu(),
        "threads": n_threads(),
        "memory_gib": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def is_busy() -> bool:
    """Whether other work has been running for the last minute."""
    return os.getloadavg()[0] > _BUSY * n_threads()


def versions(distributions: list[str]) -> dict[str, str]:
    """Version of each installed one."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in told.items()}
    name = fields.get("model name", platform.machine())
    flags = fields.get("flags", "").split()
    fast = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
    return f"{name} ({', '.join(flag for flag in fast if flag in flags) or 'no AVX2'})"
