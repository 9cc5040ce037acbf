"""One pass of a model through all its layers, as one kernel that every thread of a team runs.

A thread computes some outputs of each product and some heads of each attention; `barrier` stands
where one needs what others computed. Rows are tokens, and no row's numbers depend on which others
are in the pass. The residual stream and all sums are float32, what a product reads is bfloat16.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numba import carray

from model.cpu.attention import attend
from model.cpu.compiler import (
    barrier,
    behind,
    compiled,
    floats,
    halves,
    integers,
    njit,
    raw,
    share,
    thread_count,
    thread_number,
    version,
)
from model.cpu.lanes import (
    F32,
    LANES_BYTES,
    N_LANES,
    erf,
    exponential,
    larger,
    load,
    spread,
    store,
    store_halves,
    sum_of,
    widened,
)
from model.cpu.products import BLOCK, BLOCK_BYTES, multiply

PLAN = np.dtype(
    [
        (name, np.int64)
        for name in (
            # What the model is.
            "version", "n_layers", "layers", "n_inner", "n_heads", "n_kv_heads", "n_qkv",
            "n_hidden", "n_logits", "layer_norm", "gated", "activation", "rotary", "embedding",
            "places", "frequencies", "norm_gain", "norm_shift", "head", "head_bias",
            # What is to be computed.
            "n_rows", "tokens", "positions", "n_stories", "stories", "pages", "pages_step",
            # Where: shared by all threads, but for `own`, of which each has its part.
            "stream", "cosines", "sines", "qkv", "mixed", "hidden", "logits", "own", "own_bytes",
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
    See `compiled` for `folder`.
    """
    this_version = version()

    def run(data):
        plan = carray(data, 1, PLAN)[0]
        if plan.version != this_version:  # never; it makes the version part of the kernel
            return
        thread, n_threads = thread_number(), thread_count()
        own = plan.own + thread * plan.own_bytes
        _embed(plan, thread, n_threads, head_dim)
        barrier()
        layers = carray(raw(plan.layers), plan.n_layers, LAYER)
        n_mixed = plan.n_heads * head_dim
        n_up = plan.n_hidden * (1 + (plan.gated != 0))
        for number in range(plan.n_layers):
            layer = layers[number]
            to_up = _start(layer.up, plan.n_inner, n_up, thread, n_threads)
            to_down = _start(layer.down, plan.n_hidden, plan.n_inner, thread, n_threads)
            if number + 1 < plan.n_layers:
                following = layers[number + 1].qkv
                then = _start(following, plan.n_inner, plan.n_qkv, thread, n_threads)
            else:
                then = _start(plan.head, plan.n_inner, plan.n_logits, thread, n_threads)
            _qkv(plan, layer, own, thread, n_threads)
            barrier()
            attend(plan, number, own, thread, n_threads, head_dim, group)
            barrier()
            _add(
                plan, plan.mixed, n_mixed, layer.out, layer.out_bias, to_up,
                own, thread, n_threads,
            )  # fmt: skip
            barrier()
            _up(plan, layer, to_down, own, thread, n_threads)
            barrier()
            _add(
                plan, plan.hidden, plan.n_hidden, layer.down, layer.down_bias, then,
                own, thread, n_threads,
            )  # fmt: skip
            barrier()
        _head(plan, own, thread, n_threads)

    return compiled(run, folder)


@njit
def _embed(plan, thread, n_threads, head_dim):
    """The residual stream's beginning (N, inner); of each position's angles cosines and sines."""
    n_inner = plan.n_inner
    tokens = carray(integers(plan.tokens), plan.n_rows)
    positions = carray(integers(plan.positions), plan.n_rows)
    stream = carray(floats(plan.stream), (plan.n_rows, n_inner))
    n_values = n_inner * BLOCK
    n_angles = head_dim // 2 if plan.rotary != 0 else 0
    frequencies = carray(floats(plan.frequencies), n_angles)
    cosines = carray(floats(plan.cosines), (plan.n_rows, n_angles))
    sines = carray(floats(plan.sines), (plan.n_rows, n_angles))
    for row in range(thread, plan.n_rows, n_threads):
        for i in range(n_angles):
            angle = np.float64(F32(positions[row]) * frequencies[i])
            cosines[row, i], sines[row, i] = F32(np.cos(angle)), F32(np.sin(angle))
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
    stream = plan.stream + row * n_inner * 4
    mean = spread(F32(0))
    if plan.layer_norm != 0:
        for at in range(0, n_inner * 4, LANES_BYTES):
            mean = mean + load(stream + at)
        mean = spread(sum_of(mean) / F32(n_inner))
    squares, others = spread(F32(0)), spread(F32(0))
    for at in range(0, n_inner * 4, BLOCK_BYTES):
        here, there = load(stream + at) - mean, load(stream + at + LANES_BYTES) - mean
        squares, others = squares + here * here, others + there * there
    square = sum_of(squares + others) / F32(n_inner)
    scale = spread(F32(1) / np.sqrt(square + F32(plan.norm_eps)))
    for at in range(0, n_inner * 4, LANES_BYTES):
        normed = (load(stream + at) - mean) * (scale * load(gain + at))
        if plan.layer_norm != 0:
            normed = normed + load(shift + at)
        store_halves(target + at // 2, normed)


@njit
def _all_normed(plan, own, gain, shift):
    """The whole stream normed, in this thread's own memory; the address behind it."""
    for row in range(plan.n_rows):
        _normed(plan, row, own + row * plan.n_inner * 2, gain, shift)
    return behind(own, plan.n_rows * plan.n_inner * 2)


@njit
def _start(matrix, n_inputs, n_outputs, thread, n_threads):
    """Where the weights of a thread's part of a product begin."""
    first, _ = share(n_outputs // BLOCK, thread, n_threads)
    return matrix + first * n_inputs // 2 * BLOCK_BYTES


@njit
def _multiply(inputs, n_inputs, n_rows, matrix, bias, block, target, target_bytes, then):
    """One block of a product's outputs, with its biases if any, to rows at `target`.

    Meanwhile the next block is fetched, or, where it is not 0, what begins at `then`.
    """
    weights = matrix + block * n_inputs // 2 * BLOCK_BYTES
    ahead = then if then != 0 else weights + n_inputs // 2 * BLOCK_BYTES
    multiply(inputs, n_inputs * 2, n_rows, weights, n_inputs // 2, target, target_bytes, ahead)
    if bias != 0:
        biases = bias + block * BLOCK_BYTES
        for row in range(n_rows):
            for at in range(0, BLOCK_BYTES, LANES_BYTES):
                to = target + row * target_bytes + at
                store(to, load(to) + load(biases + at))


@njit
def _qkv(plan, layer, own, thread, n_threads):
    """Norm, then queries, keys and values: (N, (H + 2 KV) D)."""
    n_rows, n_inner = plan.n_rows, plan.n_inner
    sums = _all_normed(plan, own, layer.norm1_gain, layer.norm1_shift)
    first, stop = share(plan.n_qkv // BLOCK, thread, n_threads)
    for block in range(first, stop):
        _multiply(own, n_inner, n_rows, layer.qkv, layer.qkv_bias, block, sums, BLOCK_BYTES, 0)
        for row in range(n_rows):
            at, to = sums + row * BLOCK_BYTES, plan.qkv + (row * plan.n_qkv + block * BLOCK) * 2
            store_halves(to, load(at))
            store_halves(to + 2 * N_LANES, load(at + LANES_BYTES))


@njit
def _add(plan, inputs, n_inputs, matrix, bias, then, own, thread, n_threads):
    """Add a product of bfloat16 `inputs` (N, n_inputs) to the stream."""
    n_rows, n_inner = plan.n_rows, plan.n_inner
    first, stop = share(n_inner // BLOCK, thread, n_threads)
    for block in range(first, stop):
        ahead = then if block + 1 == stop else 0
        _multiply(inputs, n_inputs, n_rows, matrix, bias, block, own, BLOCK_BYTES, ahead)
        for row in range(n_rows):
            at, to = own + row * BLOCK_BYTES, plan.stream + (row * n_inner + block * BLOCK) * 4
            store(to, load(to) + load(at))
            store(to + LANES_BYTES, load(to + LANES_BYTES) + load(at + LANES_BYTES))


@njit
def _up(plan, layer, then, own, thread, n_threads):
    """Norm, the MLP's first product, and what is made of it: (N, hidden).

    Gated, a block of gates is followed by the block of their values.
    """
    n_rows, n_inner = plan.n_rows, plan.n_inner
    sums = _all_normed(plan, own, layer.norm2_gain, layer.norm2_shift)
    to_values = n_rows * BLOCK_BYTES
    n_parts = 1 + (plan.gated != 0)
    first, stop = share(plan.n_hidden // BLOCK, thread, n_threads)
    for block in range(first, stop):
        for part in range(n_parts):
            number, target = block * n_parts + part, sums + part * to_values
            ahead = then if block + 1 == stop and part + 1 == n_parts else 0
            _multiply(
                own, n_inner, n_rows, layer.up, layer.up_bias, number, target, BLOCK_BYTES, ahead
            )
        for row in range(n_rows):
            to = plan.hidden + (row * plan.n_hidden + block * BLOCK) * 2
            for part in range(2):
                at = sums + row * BLOCK_BYTES + part * LANES_BYTES
                activated = _activated(plan.activation, load(at))
                if plan.gated != 0:
                    activated = activated * load(at + to_values)
                store_halves(to + part * 2 * N_LANES, activated)


@njit
def _activated(kind, x):
    """`ACTIVATIONS[kind]` of `Lanes`."""
    none, half, one = spread(F32(0)), spread(F32(0.5)), spread(F32(1))
    if kind == 0:
        return x / (one + exponential(none - x))
    if kind == 1:
        return half * x * (one + erf(x * spread(F32(0.7071067811865476))))
    if kind == 2:  # x (1 + tanh y) / 2 = x / (1 + e**(-2 y))
        y = spread(F32(0.7978845608028654)) * (x + spread(F32(0.044715)) * x * x * x)
        return x / (one + exponential(spread(F32(-2)) * y))
    return larger(none, x)


@njit
def _head(plan, own, thread, n_threads):
    """The last norm and the logits (S, vocabulary in whole blocks) of each story's last row."""
    n_inner, n_stories = plan.n_inner, plan.n_stories
    last_rows = carray(integers(plan.stories), (4, n_stories))[2]
    for story in range(n_stories):
        row, target = last_rows[story], own + story * n_inner * 2
        _normed(plan, row, target, plan.norm_gain, plan.norm_shift)
    first, stop = share(plan.n_logits // BLOCK, thread, n_threads)
    for block in range(first, stop):
        target = plan.logits + block * BLOCK_BYTES
        _multiply(
            own, n_inner, n_stories, plan.head, plan.head_bias, block,
            target, plan.n_logits * 4, 0,
        )  # fmt: skip
