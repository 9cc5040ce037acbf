"""Products of rows with packed weights: the work that a pass through a model mostly is.

Written in LLVM's instructions (llvm.org/docs/LangRef.html). Rows and weights are bfloat16, sums
float32, in the order of the inputs, however many rows there are.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from model.cpu.lanes import (
    FLOAT,
    FLOATS,
    INT32,
    INT64,
    INTS,
    LANES_BYTES,
    N_LANES,
    loaded,
    spread_out,
    stored,
)

BLOCK = 2 * N_LANES
"""Outputs of a product that are computed together."""
BLOCK_BYTES = 4 * BLOCK
"""Of their sums, and of the weights of two inputs."""
LINE = 64
"""Bytes that are fetched together."""


class _BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite has no class for."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


_PAIRS = ir.VectorType(_BFloat(), 2 * N_LANES)


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
        return builder.bitcast(spread_out(builder, pair, INTS), _PAIRS)

    def add(self, builder: Any, total: Any, inputs: Any, weights: Any) -> Any:
        kind = ir.FunctionType(FLOATS, [FLOATS, _PAIRS, _PAIRS])
        name = "llvm.x86.avx512bf16.dpbf16ps.512"
        dot = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(dot, [total, inputs, weights])


class _Widened:
    """Adds one input after the other, as float32: what any processor can do."""

    n_registers = 16

    def weights(self, builder: Any, pairs: Any) -> Any:
        shift, mask = (ir.Constant(INTS, [bits] * N_LANES) for bits in (16, 0xFFFF0000))
        halves = (builder.shl(pairs, shift), builder.and_(pairs, mask))
        return [builder.bitcast(half, FLOATS) for half in halves]

    def inputs(self, builder: Any, pair: Any) -> Any:
        shift, mask = (ir.Constant(INT32, bits) for bits in (16, 0xFFFF0000))
        halves = (builder.shl(pair, shift), builder.and_(pair, mask))
        return [spread_out(builder, builder.bitcast(half, FLOAT), FLOATS) for half in halves]

    def add(self, builder: Any, total: Any, inputs: Any, weights: Any) -> Any:
        kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
        for number, weight in zip(inputs, weights, strict=True):
            total = builder.call(fused, [number, weight, total])
        return total


def _prefetch(builder: Any, address: Any, offset: int) -> None:
    """Have a cache line fetched into the second cache; any address will do."""
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, INT32, INT32, INT32])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    where = builder.inttoptr(builder.add(address, ir.Constant(INT64, offset)), cgutils.voidptr_t)
    read, near, data = (ir.Constant(INT32, value) for value in (0, 2, 1))
    builder.call(prefetch, [where, read, near, data])


@intrinsic
def fetch(_context: Any, address: Any) -> Any:
    """Have a cache line fetched."""

    def code(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _prefetch(builder, arguments[0], 0)
        return target.get_dummy_value()

    return types.void(types.int64), code


def _product_of(n_rows: int, adding: bool, n_lines: int) -> Any:
    """An intrinsic: `n_rows` rows times a block of packed weights, or as much as registers hold.

    Takes addresses: of the rows (bfloat16, `row_bytes` apart), of the weights (for each pair of
    inputs BLOCK outputs of two), and of the result (rows of BLOCK float32, `result_bytes` apart),
    to which it adds or not. Has memory `ahead` fetched meanwhile: at each pair `pace` bytes, by
    `n_lines` lines.
    """
    way, n_parts = _WAY, _N_PARTS

    @intrinsic
    def product(
        _context: Any,
        rows: Any,
        row_bytes: Any,
        weights: Any,
        n_pairs: Any,
        result: Any,
        result_bytes: Any,
        ahead: Any,
        pace: Any,
    ) -> Any:
        def code(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            rows, row_bytes, weights, n_pairs, result, result_bytes, ahead, pace = arguments

            def places(first: Any, step: Any) -> list[Any]:
                steps = [builder.mul(step, ir.Constant(INT64, row)) for row in range(n_rows)]
                return [builder.add(first, steps[row]) for row in range(n_rows)]

            starts, targets = places(rows, row_bytes), places(result, result_bytes)
            if adding:
                firsts = [
                    loaded(builder, place, LANES_BYTES * part, FLOATS)
                    for place in targets
                    for part in range(n_parts)
                ]
            else:
                firsts = [ir.Constant(FLOATS, [0.0] * N_LANES)] * (n_rows * n_parts)
            before = builder.block
            loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
            builder.branch(loop)
            builder.position_at_end(loop)
            pair = builder.phi(INT64)
            pair.add_incoming(ir.Constant(INT64, 0), before)
            totals = [builder.phi(FLOATS) for _ in firsts]
            for total, first in zip(totals, firsts, strict=True):
                total.add_incoming(first, before)
            place = builder.add(weights, builder.mul(pair, ir.Constant(INT64, BLOCK_BYTES)))
            parts = [
                way.weights(builder, loaded(builder, place, LANES_BYTES * part, INTS))
                for part in range(n_parts)
            ]
            coming = builder.add(ahead, builder.mul(pair, pace))
            for line in range(n_lines):
                _prefetch(builder, coming, LINE * line)
            behind = builder.mul(pair, ir.Constant(INT64, 4))
            grown = []
            for row, start in enumerate(starts):
                number = loaded(builder, builder.add(start, behind), 0, INT32)
                inputs = way.inputs(builder, number)
                for part in range(n_parts):
                    total = totals[row * n_parts + part]
                    grown.append(way.add(builder, total, inputs, parts[part]))
            following = builder.add(pair, ir.Constant(INT64, 1))
            pair.add_incoming(following, loop)
            for total, new in zip(totals, grown, strict=True):
                total.add_incoming(new, loop)
            builder.cbranch(builder.icmp_signed("<", following, n_pairs), loop, after)
            builder.position_at_end(after)
            for number, total in enumerate(grown):
                row, part = divmod(number, n_parts)
                offset = ir.Constant(INT64, LANES_BYTES * part)
                stored(builder, builder.add(targets[row], offset), total)
            return target.get_dummy_value()

        return types.void(*[types.int64] * 8), code

    return product


_WAY = _Dots() if has_dot_products() else _Widened()
_N_PARTS = 2 if _WAY.n_registers == 32 else 1
_MOST_ROWS = 8 if _WAY.n_registers == 32 else 4
"""Rows multiplied together: their sums fill half the registers, and hide each other's latency."""


def _multiplier(adding: bool, n_lines: int) -> Any:
    stripe_bytes, most_rows = LANES_BYTES * _N_PARTS, _MOST_ROWS
    eight, four, three, two, one = (_product_of(n, adding, n_lines) for n in (8, 4, 3, 2, 1))

    @numba.njit
    def multiplied(
        rows, row_bytes, n_rows, weights, n_pairs, result, result_bytes, ahead, pace
    ):  # fmt: skip
        for stripe in range(0, BLOCK_BYTES, stripe_bytes):
            here, row = weights + stripe, 0
            while row < n_rows:
                at, left = rows + row * row_bytes, n_rows - row
                to = result + stripe + row * result_bytes
                if left >= 8 and most_rows == 8:
                    eight(at, row_bytes, here, n_pairs, to, result_bytes, ahead, pace)
                    row += 8
                elif left >= 4:
                    four(at, row_bytes, here, n_pairs, to, result_bytes, ahead, pace)
                    row += 4
                elif left == 3:
                    three(at, row_bytes, here, n_pairs, to, result_bytes, ahead, pace)
                    row += 3
                elif left == 2:
                    two(at, row_bytes, here, n_pairs, to, result_bytes, ahead, pace)
                    row += 2
                else:
                    one(at, row_bytes, here, n_pairs, to, result_bytes, ahead, pace)
                    row += 1
                ahead += n_pairs * pace

    return multiplied


_by_one_line, _by_two_lines = _multiplier(False, 1), _multiplier(False, 2)
_adding = _multiplier(True, 2)


@numba.njit
def multiply(rows, row_bytes, n_rows, weights, n_pairs, result, result_bytes, ahead):
    """Any number of rows times one block of packed weights: see `_product_of`.

    Some rows at a time; during each of these passes over the block an equal part of the one that
    is needed next, at `ahead`, is fetched: memory and arithmetic are both busy all the time.
    """
    pace = BLOCK_BYTES // _n_passes(n_rows)
    if pace > LINE:
        _by_two_lines(rows, row_bytes, n_rows, weights, n_pairs, result, result_bytes, ahead, pace)
    else:
        _by_one_line(rows, row_bytes, n_rows, weights, n_pairs, result, result_bytes, ahead, pace)


@numba.njit
def add_product(rows, row_bytes, n_rows, weights, n_pairs, result, result_bytes, ahead):
    """As `multiply`, but added to what is in `result`."""
    pace = BLOCK_BYTES // _n_passes(n_rows)
    _adding(rows, row_bytes, n_rows, weights, n_pairs, result, result_bytes, ahead, pace)


@numba.njit
def _n_passes(n_rows):
    rest = n_rows % _MOST_ROWS
    return (2 // _N_PARTS) * (n_rows // _MOST_ROWS + rest // 4 + (rest % 4 + 3) // 4)
