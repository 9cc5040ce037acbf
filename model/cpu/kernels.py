"""One pass of a model through all its layers, as one kernel that every thread of a team runs.

A thread computes some outputs of each product and some heads of each attention; `barrier` stands
where one needs what others computed. Rows are tokens, and no row's numbers depend on which others
are in the pass. The residual stream and all sums are float32, what a product reads is bfloat16.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import carray, types

from model.cpu.attention import attend
from model.cpu.compiler import (
    BLOCK,
    F32,
    barrier,
    behind,
    exponential,
    floats,
    halves,
    integers,
    multiply,
    njit,
    raw,
    rounded,
    thread_count,
    thread_number,
    widened,
)

PLAN = np.dtype(
    [
        (name, np.int64)
        for name in (
            # What the model is.
            "version", "n_layers", "layers", "n_inner", "n_heads", "n_kv_heads", "n_qkv",
            "n_hidden", "n_logits", "layer_norm", "gated", "activation", "rotary", "embedding",
            "places", "norm_gain", "norm_shift", "head", "head_bias",
            # What is to be computed.
            "n_rows", "tokens", "positions", "n_stories", "first_rows", "row_counts", "pages",
            "most_pages", "cosines", "sines", "n_ends", "ends",
            # Where: shared by all threads, but for `own`, of which each has its part.
            "stream", "qkv", "mixed", "hidden", "logits", "own", "own_bytes",
        )
    ]
    + [("norm_eps", np.float64)]
)  # fmt: skip
"""All a pass needs, as numbers and addresses."""

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "norm1_gain", "norm1_shift", "qkv", "qkv_bias", "out", "out_bias",
            "norm2_gain", "norm2_shift", "up", "up_bias", "down", "down_bias",
        )
    ]
)  # fmt: skip
"""Addresses of a layer's weights; 0 where it has none."""

ACTIVATIONS = ("silu", "gelu", "gelu_tanh", "relu")


@cache
def pass_kernel(head_dim: int, group: int, folder: Path) -> int:
    """The address of the kernel for `group` query heads to each key head of `head_dim` numbers.

    It takes the address of a PLAN. Both numbers are built in, so that loops over them unroll.
    Compiled, it is kept in `folder`: that takes seconds, and reading it a fraction of one.
    """
    this_version = version()

    def run(data):
        plan = carray(data, 1, PLAN)[0]
        if plan.version != this_version:  # never; it makes the version part of the kernel
            return
        thread, n_threads = thread_number(), thread_count()
        own = plan.own + thread * plan.own_bytes
        _embed(plan, thread, n_threads)
        barrier()
        layers = carray(raw(plan.layers), plan.n_layers, LAYER)
        n_mixed = plan.n_heads * head_dim
        for number in range(plan.n_layers):
            layer = layers[number]
            _qkv(plan, layer, own, thread, n_threads)
            barrier()
            attend(plan, number, own, thread, n_threads, head_dim, group)
            barrier()
            _add(plan, plan.mixed, n_mixed, layer.out, layer.out_bias, own, thread, n_threads)
            barrier()
            _up(plan, layer, own, thread, n_threads)
            barrier()
            _add(
                plan, plan.hidden, plan.n_hidden, layer.down, layer.down_bias,
                own, thread, n_threads,
            )  # fmt: skip
            barrier()
        _head(plan, own, thread, n_threads)

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
    """Of this source code. It is part of the kernel, as numba watches one of its files only."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()
    return int.from_bytes(digest[:7], "little")


@njit
def _embed(plan, thread, n_threads):
    """The residual stream's beginning: (N, inner)."""
    n_inner = plan.n_inner
    tokens = carray(integers(plan.tokens), plan.n_rows)
    positions = carray(integers(plan.positions), plan.n_rows)
    stream = carray(floats(plan.stream), (plan.n_rows, n_inner))
    n_values = n_inner * BLOCK
    for row in range(thread, plan.n_rows, n_threads):
        token = tokens[row]
        block = carray(halves(plan.embedding + (token // BLOCK) * n_values * 2), n_values)
        for inner in range(n_inner):
            place = (inner // 2) * 2 * BLOCK + 2 * (token % BLOCK) + inner % 2
            stream[row, inner] = widened(block[place])
        if plan.places != 0:
            added = carray(floats(plan.places + positions[row] * n_inner * 4), n_inner)
            for inner in range(n_inner):
                stream[row, inner] += added[inner]


@njit
def _normed(plan, row, target, gain, shift):
    """One row of the stream, normed by LayerNorm or RMSNorm, as bfloat16 at address `target`."""
    n_inner = plan.n_inner
    stream = carray(floats(plan.stream + row * n_inner * 4), n_inner)
    normed = carray(halves(target), n_inner)
    gains = carray(floats(gain), n_inner)
    mean = F32(0)
    if plan.layer_norm != 0:
        for inner in range(n_inner):
            mean += stream[inner]
        mean /= F32(n_inner)
    square = F32(0)
    for inner in range(n_inner):
        square += (stream[inner] - mean) * (stream[inner] - mean)
    scale = F32(1) / np.sqrt(square / F32(n_inner) + F32(plan.norm_eps))
    if plan.layer_norm != 0:
        shifts = carray(floats(shift), n_inner)
        for inner in range(n_inner):
            normed[inner] = rounded((stream[inner] - mean) * scale * gains[inner] + shifts[inner])
    else:
        for inner in range(n_inner):
            normed[inner] = rounded(stream[inner] * scale * gains[inner])


@njit
def _all_normed(plan, own, gain, shift):
    """The whole stream normed, in this thread's own memory; the address behind it."""
    for row in range(plan.n_rows):
        _normed(plan, row, own + row * plan.n_inner * 2, gain, shift)
    return behind(own, plan.n_rows * plan.n_inner * 2)


@njit
def _multiply(inputs, n_inputs, n_rows, matrix, bias, block, target):
    """One block of a product's outputs, with its biases if any, to `target` (N, BLOCK)."""
    block_bytes = BLOCK * n_inputs * 2
    weights = matrix + block * block_bytes
    multiply(inputs, n_inputs * 2, n_rows, weights, n_inputs // 2, target, weights + block_bytes)
    if bias != 0:
        sums = carray(floats(target), (n_rows, BLOCK))
        biases = carray(floats(bias + block * BLOCK * 4), BLOCK)
        for row in range(n_rows):
            for output in range(BLOCK):
                sums[row, output] += biases[output]


@njit
def _qkv(plan, layer, own, thread, n_threads):
    """Norm, then queries, keys and values: (N, (H + 2 KV) D)."""
    n_rows, n_inner = plan.n_rows, plan.n_inner
    n_outputs = plan.n_qkv
    result = _all_normed(plan, own, layer.norm1_gain, layer.norm1_shift)
    sums = carray(floats(result), (n_rows, BLOCK))
    qkv = carray(halves(plan.qkv), (n_rows, n_outputs))
    n_blocks = n_outputs // BLOCK
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        _multiply(own, n_inner, n_rows, layer.qkv, layer.qkv_bias, block, result)
        for row in range(n_rows):
            for output in range(BLOCK):
                qkv[row, block * BLOCK + output] = rounded(sums[row, output])


@njit
def _add(plan, inputs, n_inputs, matrix, bias, own, thread, n_threads):
    """Add a product of bfloat16 `inputs` (N, n_inputs) to the stream."""
    n_rows, n_inner = plan.n_rows, plan.n_inner
    sums = carray(floats(own), (n_rows, BLOCK))
    stream = carray(floats(plan.stream), (n_rows, n_inner))
    n_blocks = n_inner // BLOCK
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        _multiply(inputs, n_inputs, n_rows, matrix, bias, block, own)
        for row in range(n_rows):
            for output in range(BLOCK):
                stream[row, block * BLOCK + output] += sums[row, output]


@njit
def _up(plan, layer, own, thread, n_threads):
    """Norm, the MLP's first product, and what is made of it: (N, hidden).

    Gated, a block of gates is followed by the block of their values.
    """
    n_rows, n_inner = plan.n_rows, plan.n_inner
    result = _all_normed(plan, own, layer.norm2_gain, layer.norm2_shift)
    n_sums = n_rows * BLOCK
    sums = carray(floats(result), (n_rows, BLOCK))
    gates, values = carray(floats(result), n_sums), carray(floats(result + n_sums * 4), n_sums)
    hidden = carray(halves(plan.hidden), (n_rows, plan.n_hidden))
    n_blocks, n_parts = plan.n_hidden // BLOCK, 1 + (plan.gated != 0)
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        for part in range(n_parts):
            number, target = block * n_parts + part, result + part * n_sums * 4
            _multiply(own, n_inner, n_rows, layer.up, layer.up_bias, number, target)
        _activate(plan.activation, gates)
        if plan.gated != 0:
            for i in range(n_sums):
                gates[i] *= values[i]
        for row in range(n_rows):
            for output in range(BLOCK):
                hidden[row, block * BLOCK + output] = rounded(sums[row, output])


@njit
def _activate(kind, sums):
    """Apply `ACTIVATIONS[kind]`."""
    if kind == 0:
        for i in range(len(sums)):
            sums[i] = sums[i] / (F32(1) + exponential(-sums[i]))
    elif kind == 1:
        for i in range(len(sums)):
            sums[i] = F32(0.5) * sums[i] * (F32(1) + _erf(sums[i] * F32(0.7071067811865476)))
    elif kind == 2:
        for i in range(len(sums)):  # x (1 + tanh y) / 2 = x / (1 + e**(-2 y))
            x = sums[i]
            y = F32(0.7978845608028654) * (x + F32(0.044715) * x * x * x)
            sums[i] = x / (F32(1) + exponential(F32(-2) * y))
    else:
        for i in range(len(sums)):
            sums[i] = F32(0) if sums[i] < F32(0) else sums[i]


@njit
def _erf(x):
    """Within 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26."""
    size = abs(x)
    t = F32(1) / (F32(1) + F32(0.3275911) * size)
    series = F32(1.061405429)
    series = series * t - F32(1.453152027)
    series = series * t + F32(1.421413741)
    series = series * t - F32(0.284496736)
    series = series * t + F32(0.254829592)
    result = F32(1) - series * t * exponential(-size * size)
    return -result if x < F32(0) else result


@njit
def _head(plan, own, thread, n_threads):
    """The last norm and the logits (ends, vocabulary in whole blocks) of the rows at `ends`."""
    n_inner, n_ends = plan.n_inner, plan.n_ends
    ends = carray(integers(plan.ends), n_ends)
    for end in range(n_ends):
        _normed(plan, ends[end], own + end * n_inner * 2, plan.norm_gain, plan.norm_shift)
    result = behind(own, n_ends * n_inner * 2)
    sums = carray(floats(result), (n_ends, BLOCK))
    logits = carray(floats(plan.logits), (n_ends, plan.n_logits))
    n_blocks = plan.n_logits // BLOCK
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        _multiply(own, n_inner, n_ends, plan.head, plan.head_bias, block, result)
        for end in range(n_ends):
            for output in range(BLOCK):
                logits[end, block * BLOCK + output] = sums[end, output]
