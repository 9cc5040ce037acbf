from __future__ import annotations

import subprocess
import sys

from bench.machine import describe, memory_bytes, n_threads, peak_memory_bytes, versions


def test_memory_is_this_process_own() -> None:
    before = memory_bytes()
    held = bytearray(64_000_000)
    held[::4096] = b"x" * len(held[::4096])  # every page
    assert memory_bytes() - before > 60_000_000
    assert peak_memory_bytes() >= memory_bytes() - 1_000_000
    # A child does not start with its parent's peak, as it would by getrusage.
    told = "from bench.machine import peak_memory_bytes; print(peak_memory_bytes())"
    child = subprocess.run([sys.executable, "-c", told], capture_output=True, check=True)
    assert int(child.stdout) < 60_000_000 < peak_memory_bytes()


def test_the_machine_is_named() -> None:
    machine = describe()
    assert machine["threads"] == n_threads() >= 1
    assert all(machine[key] for key in ("cpu", "memory_gib", "system", "python"))


def test_versions_of_what_is_installed() -> None:
    assert list(versions(["typer", "no-such-distribution"])) == ["typer"]
