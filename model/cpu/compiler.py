"""What the kernels need of LLVM, and numba does not offer: raw memory, threads, bfloat16 products.

Each `intrinsic` below writes LLVM's instructions (llvm.org/docs/LangRef.html) itself. A bfloat16
is held as uint16: the upper half of a float32.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK = 32
"""Outputs of a product that are computed together: two registers of 16 numbers."""
_LANES = 16

_FASTMATH = {"contract", "reassoc", "nsz", "arcp", "afn"}
"""All but "no NaN" and "no infinity": a story whose numbers overflow must be seen to."""
njit = numba.njit(fastmath=_FASTMATH)
inlined = numba.njit(fastmath=_FASTMATH, forceinline=True)
"""Numbers which the caller knows when it is compiled are known inside, too."""

_FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS = ir.VectorType(_FLOAT, _LANES), ir.VectorType(_INT32, _LANES)


class _BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite has no class for."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


_PAIRS = ir.VectorType(_BFloat(), 2 * _LANES)


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


thread_number = types.ExternalFunction("omp_get_thread_num", types.intc())
thread_count = types.ExternalFunction("omp_get_num_threads", types.intc())
barrier = types.ExternalFunction("GOMP_barrier", types.void())


# --- Memory ---


def _pointer(kind: types.Type, width: ir.Type) -> Any:
    @intrinsic
    def pointer(_context: Any, address: Any) -> Any:
        def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], width.as_pointer())

        return kind(types.int64), code

    return pointer


floats = _pointer(types.CPointer(types.float32), _FLOAT)
"""An address as that of float32s; so `halves` of bfloat16s and `integers` of int64s."""
halves = _pointer(types.CPointer(types.uint16), ir.IntType(16))
integers = _pointer(types.CPointer(types.int64), _INT64)
raw = _pointer(types.voidptr, ir.IntType(8))


@njit
def behind(address, n_bytes):
    """The next address at a cache line of its own."""
    return (address + n_bytes + 63) // 64 * 64


def _prefetch(builder: Any, address: Any) -> None:
    """Have a cache line fetched into the second cache; any address will do."""
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, _INT32, _INT32, _INT32])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, near, data = (ir.Constant(_INT32, value) for value in (0, 2, 1))
    builder.call(prefetch, [builder.inttoptr(address, cgutils.voidptr_t), read, near, data])


# --- Numbers ---


@intrinsic
def _as_float(_context: Any, bits: Any) -> Any:
    def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _FLOAT)

    return types.float32(types.uint32), code


@intrinsic
def _as_bits(_context: Any, number: Any) -> Any:
    def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _INT32)

    return types.uint32(types.float32), code


F32 = numba.float32


@numba.njit(inline="always")
def widened(half: Any) -> Any:
    """The float32 that a bfloat16 stands for."""
    return _as_float(numba.uint32(half) << numba.uint32(16))


@numba.njit(inline="always")
def rounded(number: Any) -> Any:
    """The bfloat16 nearest to a float32, the even one of two."""
    bits = _as_bits(number)
    half = numba.uint32(0x7FFF) + ((bits >> numba.uint32(16)) & numba.uint32(1))
    return numba.uint16((bits + half) >> numba.uint32(16))


@intrinsic
def _two_to_the(_context: Any, whole: Any) -> Any:
    """2**whole for a whole float32 from -126 to 127. In numba's words it would take 64 bits."""

    def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        exponent = builder.add(builder.fptosi(arguments[0], _INT32), ir.Constant(_INT32, 127))
        return builder.bitcast(builder.shl(exponent, ir.Constant(_INT32, 23)), _FLOAT)

    return types.float32(types.float32), code


@numba.njit(inline="always", fastmath=_FASTMATH)
def exponential(x):
    """e**x to seven digits, in operations that LLVM does 16 at a time; NaN stays NaN.

    2**(whole + rest), |rest| <= 1/2, by the Taylor series of 2**rest, whose next term is below
    2e-7 of it.
    """
    power = x * F32(1.4426950408889634)
    power = F32(-126.0) if power < F32(-126.0) else power
    power = F32(127.0) if power > F32(127.0) else power
    whole = np.floor(power + F32(0.5))
    rest = power - whole
    series = F32(1.5403530393381608e-4)
    series = series * rest + F32(1.3333558146428443e-3)
    series = series * rest + F32(9.618129107628477e-3)
    series = series * rest + F32(5.5504108664821576e-2)
    series = series * rest + F32(2.402265069591007e-1)
    series = series * rest + F32(6.931471805599453e-1)
    series = series * rest + F32(1.0)
    return series * _two_to_the(whole)


# --- Products ---


def has_dot_products() -> bool:
    """Whether the processor that numba compiles for multiplies pairs of bfloat16s (AVX512-BF16)."""
    if numba.config.CPU_NAME not in (None, "host"):  # compiled for another one, by NUMBA_CPU_NAME
        return False
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512bf16"))


class _Dots:
    """Adds pair by pair, by VDPBF16PS: 16 sums of two products each in one instruction."""

    n_registers = 32

    def weights(self, builder: Any, pairs: Any) -> Any:
        return builder.bitcast(pairs, _PAIRS)

    def inputs(self, builder: Any, pair: Any) -> Any:
        return builder.bitcast(_spread(builder, pair, _INTS), _PAIRS)

    def add(self, builder: Any, total: Any, inputs: Any, weights: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS, _PAIRS, _PAIRS])
        name = "llvm.x86.avx512bf16.dpbf16ps.512"
        dot = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(dot, [total, inputs, weights])


class _Widened:
    """Adds one input after the other, as float32: what any processor can do."""

    n_registers = 16

    def weights(self, builder: Any, pairs: Any) -> Any:
        shift, mask = (ir.Constant(_INTS, [bits] * _LANES) for bits in (16, 0xFFFF0000))
        halves = (builder.shl(pairs, shift), builder.and_(pairs, mask))
        return [builder.bitcast(half, _FLOATS) for half in halves]

    def inputs(self, builder: Any, pair: Any) -> Any:
        shift, mask = (ir.Constant(_INT32, bits) for bits in (16, 0xFFFF0000))
        halves = (builder.shl(pair, shift), builder.and_(pair, mask))
        return [_spread(builder, builder.bitcast(half, _FLOAT), _FLOATS) for half in halves]

    def add(self, builder: Any, total: Any, inputs: Any, weights: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
        for number, weight in zip(inputs, weights, strict=True):
            total = builder.call(fused, [number, weight, total])
        return total


def _product_of(n_rows: int, n_parts: int) -> Any:
    """An intrinsic: `n_rows` rows times `n_parts` of the parts of a block of packed weights.

    Takes addresses: of the rows (bfloat16, `row_bytes` apart), of the weights (for each pair of
    inputs BLOCK outputs of two), and of the result (n_rows, BLOCK) float32. Sums in float32, in
    the order of the inputs, whatever `n_rows` is. Has memory `ahead` fetched meanwhile, `pace`
    bytes for each pair.
    """
    way = _WAY

    @intrinsic
    def product(
        _context: Any,
        rows: Any,
        row_bytes: Any,
        weights: Any,
        n_pairs: Any,
        result: Any,
        ahead: Any,
        pace: Any,
    ) -> Any:
        def code(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            rows, row_bytes, weights, n_pairs, result, ahead, pace = arguments
            starts = [
                builder.add(rows, builder.mul(row_bytes, ir.Constant(_INT64, row)))
                for row in range(n_rows)
            ]
            before = builder.block
            loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
            builder.branch(loop)
            builder.position_at_end(loop)
            pair = builder.phi(_INT64)
            pair.add_incoming(ir.Constant(_INT64, 0), before)
            totals = [builder.phi(_FLOATS) for _ in range(n_rows * n_parts)]
            for total in totals:
                total.add_incoming(ir.Constant(_FLOATS, [0.0] * _LANES), before)
            place = builder.add(weights, builder.mul(pair, ir.Constant(_INT64, 4 * BLOCK)))
            loaded = [
                way.weights(builder, _loaded(builder, place, 4 * _LANES * part, _INTS))
                for part in range(n_parts)
            ]
            _prefetch(builder, builder.add(ahead, builder.mul(pair, pace)))
            behind = builder.mul(pair, ir.Constant(_INT64, 4))
            grown = []
            for row, start in enumerate(starts):
                number = _loaded(builder, builder.add(start, behind), 0, _INT32)
                inputs = way.inputs(builder, number)
                for part in range(n_parts):
                    total = totals[row * n_parts + part]
                    grown.append(way.add(builder, total, inputs, loaded[part]))
            following = builder.add(pair, ir.Constant(_INT64, 1))
            pair.add_incoming(following, loop)
            for total, new in zip(totals, grown, strict=True):
                total.add_incoming(new, loop)
            builder.cbranch(builder.icmp_signed("<", following, n_pairs), loop, after)
            builder.position_at_end(after)
            for number, total in enumerate(grown):
                row, part = divmod(number, n_parts)
                offset = ir.Constant(_INT64, 4 * (BLOCK * row + _LANES * part))
                where = builder.inttoptr(builder.add(result, offset), _FLOATS.as_pointer())
                builder.store(total, where, align=4)
            return target.get_dummy_value()

        return types.void(*[types.int64] * 7), code

    return product


def _loaded(builder: Any, address: Any, offset: int, kind: ir.Type) -> Any:
    where = builder.add(address, ir.Constant(_INT64, offset))
    return builder.load(builder.inttoptr(where, kind.as_pointer()), align=4)


def _spread(builder: Any, number: Any, kind: ir.VectorType) -> Any:
    """The same number in each lane."""
    empty = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(_INTS, [0] * _LANES))


_WAY = _Dots() if has_dot_products() else _Widened()
_N_PARTS = 2 if _WAY.n_registers == 32 else 1
_STRIPE = 4 * _LANES * _N_PARTS
"""Bytes of one row's result that one product makes."""
_eight, _four, _three, _two, _one = (_product_of(n, _N_PARTS) for n in (8, 4, 3, 2, 1))
_MOST_ROWS = 8 if _WAY.n_registers == 32 else 4
"""Rows multiplied together: their sums fill half the registers, and hide each other's latency."""


@numba.njit
def multiply(rows, row_bytes, n_rows, weights, n_pairs, result, ahead):
    """Any number of rows times one block of packed weights: see `_product_of`.

    Some rows at a time; during each of these passes over the block an equal part of the one that
    is needed next, at `ahead`, is fetched: memory and arithmetic are both busy all the time.
    """
    n_passes = (4 * BLOCK // _STRIPE) * _n_passes(n_rows)
    pace = 4 * BLOCK // n_passes if n_passes > 1 else 0
    for stripe in range(0, 4 * BLOCK, _STRIPE):
        here, row = weights + stripe, 0
        while row < n_rows:
            at, left = rows + row * row_bytes, n_rows - row
            target = result + stripe + row * 4 * BLOCK
            if left >= 8 and _MOST_ROWS == 8:
                _eight(at, row_bytes, here, n_pairs, target, ahead, pace)
                row += 8
            elif left >= 4:
                _four(at, row_bytes, here, n_pairs, target, ahead, pace)
                row += 4
            elif left == 3:
                _three(at, row_bytes, here, n_pairs, target, ahead, pace)
                row += 3
            elif left == 2:
                _two(at, row_bytes, here, n_pairs, target, ahead, pace)
                row += 2
            else:
                _one(at, row_bytes, here, n_pairs, target, ahead, pace)
                row += 1
            ahead += n_pairs * pace


@numba.njit
def _n_passes(n_rows):
    rest = n_rows % _MOST_ROWS
    return n_rows // _MOST_ROWS + rest // 4 + (rest % 4 + 3) // 4
