"""Sixteen float32s as one value, `Lanes`: what is done with them is done at once.

Left to itself LLVM finds that in simple loops only: not in maxima, nor where bfloat16s are rounded.
Addresses are whole numbers, as in the plan. A bfloat16 is the upper half of a float32.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

N_LANES = 16
LANES_BYTES = 4 * N_LANES

FASTMATH = {"contract", "reassoc", "nsz", "arcp", "afn"}
"""All but "no NaN" and "no infinity": a story whose numbers overflow must be seen to."""
_FLAGS = tuple(sorted(FASTMATH))
F32 = numba.float32

FLOAT, HALF, INT32, INT64 = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)
FLOATS, HALVES = ir.VectorType(FLOAT, N_LANES), ir.VectorType(HALF, N_LANES)
INTS = ir.VectorType(INT32, N_LANES)

Builder = Any
Value = Any


class _Lanes(types.Type):
    """What numba knows them as."""


LANES = _Lanes("Lanes")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


# --- In LLVM's instructions, for this module and others that write them ---


def loaded(builder: Builder, address: Value, offset: int, kind: ir.Type) -> Value:
    """What lies `offset` bytes behind a whole number's address."""
    where = builder.add(address, ir.Constant(INT64, offset))
    return builder.load(builder.inttoptr(where, kind.as_pointer()), align=2)


def stored(builder: Builder, address: Value, value: Value) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=2)


def spread_out(builder: Builder, number: Value, kind: ir.VectorType) -> Value:
    """The same number in each lane."""
    empty = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(INTS, [0] * N_LANES))


def _all(kind: ir.VectorType, number: float) -> Value:
    return ir.Constant(kind, [number] * N_LANES)


def _named(builder: Builder, name: str, *values: Value, result: ir.Type = FLOATS) -> Value:
    kind = ir.FunctionType(result, [value.type for value in values])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, values, fastmath=_FLAGS)


def _rounded(builder: Builder, lanes: Value) -> Value:
    """Bits of which the upper half is the nearest bfloat16, the even one of two."""
    bits = builder.bitcast(lanes, INTS)
    even = builder.and_(builder.lshr(bits, _all(INTS, 16)), _all(INTS, 1))
    return builder.add(bits, builder.add(even, _all(INTS, 0x7FFF)))


def _intrinsic(code: Callable[..., Value], result: Any, *given: Any) -> Any:
    """What numba calls, of a function that writes it: (builder, *arguments) -> value."""

    def generated(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        value = code(builder, *arguments)
        return target.get_dummy_value() if result is types.void else value

    signature = result(*given)
    # numba counts the parameters.
    if len(given) == 1:
        return intrinsic(lambda _context, _a: (signature, generated))
    if len(given) == 2:
        return intrinsic(lambda _context, _a, _b: (signature, generated))
    if len(given) == 3:
        return intrinsic(lambda _context, _a, _b, _c: (signature, generated))
    return intrinsic(lambda _context, _a, _b, _c, _d: (signature, generated))


# --- Memory ---

load = _intrinsic(lambda b, at: loaded(b, at, 0, FLOATS), LANES, types.int64)
"""Sixteen float32s."""
store = _intrinsic(stored, types.void, types.int64, LANES)


def _load_halves(builder: Builder, address: Value) -> Value:
    halves = builder.zext(loaded(builder, address, 0, HALVES), INTS)
    return builder.bitcast(builder.shl(halves, _all(INTS, 16)), FLOATS)


def _store_halves(builder: Builder, address: Value, lanes: Value) -> None:
    bits = builder.lshr(_rounded(builder, lanes), _all(INTS, 16))
    stored(builder, address, builder.trunc(bits, HALVES))


def _firsts(builder: Builder, address: Value) -> Value:
    pairs = loaded(builder, address, 0, INTS)
    return builder.bitcast(builder.shl(pairs, _all(INTS, 16)), FLOATS)


def _seconds(builder: Builder, address: Value) -> Value:
    pairs = loaded(builder, address, 0, INTS)
    return builder.bitcast(builder.and_(pairs, _all(INTS, 0xFFFF0000)), FLOATS)


def _paired(builder: Builder, firsts: Value, seconds: Value) -> Value:
    low = builder.lshr(_rounded(builder, firsts), _all(INTS, 16))
    return builder.or_(builder.and_(_rounded(builder, seconds), _all(INTS, 0xFFFF0000)), low)


def _store_pairs(builder: Builder, address: Value, firsts: Value, seconds: Value) -> None:
    stored(builder, address, _paired(builder, firsts, seconds))


def _scatter_pairs(
    builder: Builder, address: Value, step: Value, firsts: Value, seconds: Value
) -> None:
    pairs = _paired(builder, firsts, seconds)
    for lane in range(N_LANES):
        stored(builder, address, builder.extract_element(pairs, ir.Constant(INT32, lane)))
        address = builder.add(address, step)


load_halves = _intrinsic(_load_halves, LANES, types.int64)
"""Sixteen bfloat16s."""
store_halves = _intrinsic(_store_halves, types.void, types.int64, LANES)
firsts = _intrinsic(_firsts, LANES, types.int64)
"""Of sixteen pairs of bfloat16s the first ones; `seconds` the others."""
seconds = _intrinsic(_seconds, LANES, types.int64)
store_pairs = _intrinsic(_store_pairs, types.void, types.int64, LANES, LANES)
scatter_pairs = _intrinsic(_scatter_pairs, types.void, types.int64, types.int64, LANES, LANES)
"""As `store_pairs`, but each pair so many bytes behind the one before."""


# --- Numbers ---

_float_of = _intrinsic(lambda b, bits: b.bitcast(bits, FLOAT), types.float32, types.uint32)


@numba.njit(inline="always")
def widened(half):
    """The float32 that a single bfloat16 stands for."""
    return _float_of(numba.uint32(half) << numba.uint32(16))


def _operate(of: Any, name: str) -> None:
    operation = _intrinsic(
        lambda b, left, right: getattr(b, name)(left, right, flags=_FLAGS), LANES, LANES, LANES
    )

    @overload(of)
    def chosen(left, right):
        if left is LANES and right is LANES:
            return lambda left, right: operation(left, right)
        return None


for _of, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operate(_of, _name)


def _larger(builder: Builder, left: Value, right: Value) -> Value:
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)


def _smaller(builder: Builder, left: Value, right: Value) -> Value:
    return builder.select(builder.fcmp_ordered("<", left, right), left, right)


def _at_least(builder: Builder, left: Value, right: Value) -> Value:
    mask = builder.fcmp_ordered(">=", left, right)
    return builder.zext(builder.bitcast(mask, HALF), INT64)


def _kept(builder: Builder, values: Value, left: Value, right: Value) -> Value:
    mask = builder.fcmp_ordered(">", left, right)
    return builder.select(mask, values, ir.Constant(FLOATS, [0.0] * N_LANES))


def _n_ones(builder: Builder, bits: Value) -> Value:
    return builder.ctpop(bits)


def _first_one(builder: Builder, bits: Value) -> Value:
    return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))


def _sum(builder: Builder, lanes: Value) -> Value:
    start = ir.Constant(FLOAT, -0.0)
    return _named(builder, "llvm.vector.reduce.fadd.v16f32", start, lanes, result=FLOAT)


def _highest(builder: Builder, lanes: Value) -> Value:
    return _named(builder, "llvm.vector.reduce.fmax.v16f32", lanes, result=FLOAT)


def _two_to_the(builder: Builder, whole: Value) -> Value:
    exponent = builder.add(builder.fptosi(whole, INTS), _all(INTS, 127))
    return builder.bitcast(builder.shl(exponent, _all(INTS, 23)), FLOATS)


spread = _intrinsic(lambda b, number: spread_out(b, number, FLOATS), LANES, types.float32)
"""The same float32 sixteen times."""
larger = _intrinsic(_larger, LANES, LANES, LANES)
"""The larger of two; the second where one is NaN, and so with `smaller`."""
smaller = _intrinsic(_smaller, LANES, LANES, LANES)
at_least = _intrinsic(_at_least, types.int64, LANES, LANES)
"""A bit for each lane, the first one lowest: whether the first number is not below the second."""
n_ones = _intrinsic(_n_ones, types.int64, types.int64)
first_one = _intrinsic(_first_one, types.int64, types.int64)
"""The place of the lowest bit that is set; one must be."""
kept_above = _intrinsic(_kept, LANES, LANES, LANES, LANES)
"""The first number where the second is larger than the third, else 0."""
absolute = _intrinsic(lambda b, x: _named(b, "llvm.fabs.v16f32", x), LANES, LANES)
signed = _intrinsic(lambda b, x, y: _named(b, "llvm.copysign.v16f32", x, y), LANES, LANES, LANES)
"""The first with the sign of the second."""
_whole = _intrinsic(lambda b, x: _named(b, "llvm.rint.v16f32", x), LANES, LANES)
_power_of_two = _intrinsic(_two_to_the, LANES, LANES)
"""2**whole, for whole numbers from -126 to 127."""
sum_of = _intrinsic(_sum, types.float32, LANES)
highest_of = _intrinsic(_highest, types.float32, LANES)
"""The largest that is no NaN."""


@numba.njit(inline="always", fastmath=FASTMATH)
def exponential(x):
    """e**x to seven digits; NaN stays NaN, and what is below e**-87 is not quite 0.

    2**(whole + rest), |rest| <= 1/2, by the Taylor series of 2**rest, whose next term is below
    2e-7 of it.
    """
    power = x * spread(F32(1.4426950408889634))
    power = smaller(spread(F32(127.0)), larger(spread(F32(-126.0)), power))
    whole = _whole(power)
    rest = power - whole
    series = spread(F32(1.5403530393381608e-4))
    series = series * rest + spread(F32(1.3333558146428443e-3))
    series = series * rest + spread(F32(9.618129107628477e-3))
    series = series * rest + spread(F32(5.5504108664821576e-2))
    series = series * rest + spread(F32(2.402265069591007e-1))
    series = series * rest + spread(F32(6.931471805599453e-1))
    series = series * rest + spread(F32(1.0))
    return series * _power_of_two(whole)


@numba.njit(inline="always", fastmath=FASTMATH)
def erf(x):
    """Within 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26."""
    size = absolute(x)
    one = spread(F32(1.0))
    t = one / (one + spread(F32(0.3275911)) * size)
    series = spread(F32(1.061405429))
    series = series * t - spread(F32(1.453152027))
    series = series * t + spread(F32(1.421413741))
    series = series * t - spread(F32(0.284496736))
    series = series * t + spread(F32(0.254829592))
    return signed(one - series * t * exponential(spread(F32(0.0)) - size * size), x)
