"""What the kernels need of LLVM, and numba does not offer: raw memory, and torch's threads.

Each `intrinsic` below writes LLVM's instructions (llvm.org/docs/LangRef.html) itself. A bfloat16
is held as uint16: the upper half of a float32.
"""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from model.cpu.lanes import FASTMATH, FLOAT, HALF, INT32, INT64

njit = numba.njit(fastmath=FASTMATH)
inlined = numba.njit(fastmath=FASTMATH, forceinline=True)
"""Numbers which the caller knows when it is compiled are known inside, too."""


def compiled(run: Any, folder: Path) -> int:
    """The address of `run`, a function of an address, as machine code.

    It is kept in `folder`: to compile it takes seconds, to read it a fraction of one.
    """
    signature = types.void(types.voidptr)
    numba.config.CACHE_DIR = str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kernel = numba.cfunc(signature, cache=True)(run)
    except (OSError, RuntimeError):  # nothing can be written there: compiled at every start
        kernel = numba.cfunc(signature)(run)
    _kernels.append(kernel)
    return int(kernel.address)


_kernels: list[Any] = []
"""What addresses were given of."""


@cache
def version() -> int:
    """Of this package's source code: a constant of each kernel, as numba watches one file only."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()
    return int.from_bytes(digest[:7], "little")


# --- Threads ---


@cache
def team() -> Any:
    """OpenMP's call that runs a kernel in every thread of the pool that torch uses, or None.

    The pool must be the same one: two would fight for the cores.
    """
    import torch  # noqa: F401 (it brings the pool)

    try:
        library = ctypes.CDLL(None)
        run = library.GOMP_parallel
        for name in ("omp_get_thread_num", "omp_get_num_threads", "GOMP_barrier"):
            address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            llvmlite.binding.add_symbol(name, address)
    except (AttributeError, OSError, TypeError):  # another OpenMP, or another system
        return None
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    run.restype = None
    return run


def run_in_team(kernel: int, plan: int, n_threads: int) -> None:
    """Run a kernel, by its address and that of its plan, in so many threads of `team`'s pool."""
    run = team()
    assert run is not None  # noqa: S101 (model.cpu.available has seen to it)
    run(kernel, plan, n_threads, 0)


thread_number = types.ExternalFunction("omp_get_thread_num", types.intc())
thread_count = types.ExternalFunction("omp_get_num_threads", types.intc())
barrier = types.ExternalFunction("GOMP_barrier", types.void())


@njit
def share(n, thread, n_threads):
    """The first of n that a thread has to do, and the one behind its last."""
    return n * thread // n_threads, n * (thread + 1) // n_threads


# --- Memory ---


def _pointer(kind: types.Type, width: ir.Type) -> Any:
    @intrinsic
    def pointer(_context: Any, address: Any) -> Any:
        def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], width.as_pointer())

        return kind(types.int64), code

    return pointer


floats = _pointer(types.CPointer(types.float32), FLOAT)
"""An address as that of float32s; so of bytes, bfloat16s, uint32s and int64s."""
octets = _pointer(types.CPointer(types.uint8), ir.IntType(8))
halves = _pointer(types.CPointer(types.uint16), HALF)
words = _pointer(types.CPointer(types.uint32), INT32)
integers = _pointer(types.CPointer(types.int64), INT64)
raw = _pointer(types.voidptr, ir.IntType(8))


@njit
def behind(address, n_bytes):
    """The next address at a cache line of its own."""
    return (address + n_bytes + 63) // 64 * 64
