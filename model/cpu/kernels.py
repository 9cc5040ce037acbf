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

from model.cpu.compiler import (
    BLOCK,
    F32,
    FASTMATH,
    barrier,
    exponential,
    floats,
    halves,
    integers,
    multiply,
    raw,
    rounded,
    thread_count,
    thread_number,
    widened,
)

PAGE = 32
"""Positions whose keys and values lie together, and are given to a story together."""

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

_njit = numba.njit(fastmath=FASTMATH)
_inlined = numba.njit(fastmath=FASTMATH, forceinline=True)
"""So that numbers which the caller knows when it is compiled are known inside."""


@cache
def pass_kernel(head_dim: int, group: int, folder: Path) -> int:
    """The address of the kernel for `group` query heads to each key head of `head_dim` numbers.

    It takes the address of a PLAN. Both numbers are built in, so that loops over them unroll.
    Compiled, it is kept in `folder`: that takes seconds, and reading it a fraction of one.
    """
    this_version = version()

    def run(data):
        plan = carray(data, 1, PLAN)[0]
        if plan.version != this_version:
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
            _attend(plan, number, own, thread, n_threads, head_dim, group)
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


@_njit
def _embed(plan, thread, n_threads):
    """The residual stream's beginning: (N, inner)."""
    n_inner = plan.n_inner
    tokens = carray(integers(plan.tokens), plan.n_rows)
    positions = carray(integers(plan.positions), plan.n_rows)
    stream = carray(floats(plan.stream), (plan.n_rows, n_inner))
    n_values = n_inner * 2 * BLOCK // 2
    for row in range(thread, plan.n_rows, n_threads):
        token = tokens[row]
        block = carray(halves(plan.embedding + (token // BLOCK) * n_values * 2), n_values)
        for inner in range(n_inner):
            place = (inner // 2) * 2 * BLOCK + 2 * (token % BLOCK) + inner % 2
            stream[row, inner] = widened(block[place])
        if plan.places != 0:
            place = carray(floats(plan.places + positions[row] * n_inner * 4), n_inner)
            for inner in range(n_inner):
                stream[row, inner] += place[inner]


@_njit
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


@_njit
def _all_normed(plan, own, gain, shift):
    """The whole stream normed, in this thread's own memory; the address behind it."""
    for row in range(plan.n_rows):
        _normed(plan, row, own + row * plan.n_inner * 2, gain, shift)
    return _behind(own, plan.n_rows * plan.n_inner * 2)


@_njit
def _behind(address, n_bytes):
    return (address + n_bytes + 63) // 64 * 64


@_njit
def _block_of(weights, block, n_inputs):
    return weights + block * BLOCK * n_inputs * 2


@_njit
def _biased(sums, n_rows, bias, block):
    """Add a block's biases, where there are any, to its sums (N, BLOCK)."""
    if bias != 0:
        biases = carray(floats(bias + block * BLOCK * 4), BLOCK)
        for row in range(n_rows):
            for output in range(BLOCK):
                sums[row, output] += biases[output]


@_njit
def _qkv(plan, layer, own, thread, n_threads):
    """Norm, then queries, keys and values: (N, (H + 2 KV) D)."""
    n_rows, n_inner = plan.n_rows, plan.n_inner
    n_outputs = plan.n_qkv
    result = _all_normed(plan, own, layer.norm1_gain, layer.norm1_shift)
    sums = carray(floats(result), (n_rows, BLOCK))
    qkv = carray(halves(plan.qkv), (n_rows, n_outputs))
    n_blocks = n_outputs // BLOCK
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        weights, ahead = (
            _block_of(layer.qkv, block, n_inner),
            _block_of(layer.qkv, block + 1, n_inner),
        )
        multiply(own, n_inner * 2, n_rows, weights, n_inner // 2, result, ahead)
        _biased(sums, n_rows, layer.qkv_bias, block)
        for row in range(n_rows):
            for output in range(BLOCK):
                qkv[row, block * BLOCK + output] = rounded(sums[row, output])


@_njit
def _add(plan, inputs, n_inputs, matrix, bias, own, thread, n_threads):
    """Add a product of bfloat16 `inputs` (N, n_inputs) to the stream."""
    n_rows, n_inner = plan.n_rows, plan.n_inner
    sums = carray(floats(own), (n_rows, BLOCK))
    stream = carray(floats(plan.stream), (n_rows, n_inner))
    n_blocks = n_inner // BLOCK
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        weights, ahead = _block_of(matrix, block, n_inputs), _block_of(matrix, block + 1, n_inputs)
        multiply(inputs, n_inputs * 2, n_rows, weights, n_inputs // 2, own, ahead)
        _biased(sums, n_rows, bias, block)
        for row in range(n_rows):
            for output in range(BLOCK):
                stream[row, block * BLOCK + output] += sums[row, output]


@_njit
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
            weights = _block_of(layer.up, number, n_inner)
            ahead = _block_of(layer.up, number + 1, n_inner)
            multiply(own, n_inner * 2, n_rows, weights, n_inner // 2, target, ahead)
            _biased(carray(floats(target), (n_rows, BLOCK)), n_rows, layer.up_bias, number)
        _activate(plan.activation, gates)
        if plan.gated != 0:
            for i in range(n_sums):
                gates[i] *= values[i]
        for row in range(n_rows):
            for output in range(BLOCK):
                hidden[row, block * BLOCK + output] = rounded(sums[row, output])


@_njit
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


@_njit
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


@_njit
def _head(plan, own, thread, n_threads):
    """The last norm and the logits (ends, vocabulary in whole blocks) of the rows at `ends`."""
    n_inner, n_ends = plan.n_inner, plan.n_ends
    ends = carray(integers(plan.ends), n_ends)
    for end in range(n_ends):
        _normed(plan, ends[end], own + end * n_inner * 2, plan.norm_gain, plan.norm_shift)
    result = _behind(own, n_ends * n_inner * 2)
    sums = carray(floats(result), (n_ends, BLOCK))
    logits = carray(floats(plan.logits), (n_ends, plan.n_logits))
    n_blocks = plan.n_logits // BLOCK
    for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        weights, ahead = (
            _block_of(plan.head, block, n_inner),
            _block_of(plan.head, block + 1, n_inner),
        )
        multiply(own, n_inner * 2, n_ends, weights, n_inner // 2, result, ahead)
        _biased(sums, n_ends, plan.head_bias, block)
        for end in range(n_ends):
            for output in range(BLOCK):
                logits[end, block * BLOCK + output] = sums[end, output]


# --- Attention ---
# The products of queries with a page's keys, and of weights with its values, are products with
# blocks of "weights": keys lie as (D / 2, PAGE, 2), values as (D / BLOCK, PAGE / 2, BLOCK, 2).


@_inlined
def _attend(plan, layer, own, thread, n_threads, head_dim, group):
    """Each token reads from those before it in its story: what it reads to `mixed` (N, H D).

    A story's tokens go one after the other, so each finds its predecessors' keys written.
    """
    n_kv = plan.n_kv_heads
    first_rows = carray(integers(plan.first_rows), plan.n_stories)
    row_counts = carray(integers(plan.row_counts), plan.n_stories)
    positions = carray(integers(plan.positions), plan.n_rows)
    for unit in range(thread, plan.n_stories * n_kv, n_threads):
        story, kv = unit // n_kv, unit % n_kv
        pages = carray(integers(plan.pages + story * plan.most_pages * 8), plan.most_pages)
        to_keys = (layer * n_kv + kv) * head_bytes(head_dim)
        for row in range(first_rows[story], first_rows[story] + row_counts[story]):
            position = positions[row]
            here = pages[position // PAGE] + to_keys
            _remember(plan, row, kv, here, position % PAGE, head_dim)
            _read(plan, row, kv, pages, to_keys, position // PAGE + 1, own, head_dim, group)


@_inlined
def _read(plan, row, kv, pages, to_keys, n_pages, own, head_dim, group):
    """What one token's heads of one key head read from `n_pages` pages."""
    position = carray(integers(plan.positions), plan.n_rows)[row]
    to_values = to_keys + PAGE * head_dim * 2
    value_bytes = PAGE * BLOCK * 2
    n_stripes = (head_dim + BLOCK - 1) // BLOCK
    query_at = own
    totals_at = _behind(query_at, group * head_dim * 2)
    mixed_at = _behind(totals_at, group * 4)
    part_at = mixed_at + n_stripes * group * BLOCK * 4
    scores_at = part_at + group * BLOCK * 4
    weights_at = scores_at + n_pages * group * PAGE * 4
    _ask(plan, row, kv, query_at, head_dim, group)
    for number in range(n_pages):
        keys, result = pages[number] + to_keys, scores_at + number * group * PAGE * 4
        ahead = pages[number + 1] + to_keys if number + 1 < n_pages else pages[0] + to_values
        multiply(query_at, head_dim * 2, group, keys, head_dim // 2, result, ahead)
    _soften(scores_at, position + 1, n_pages, weights_at, totals_at, group)
    mixed = carray(floats(mixed_at), (n_stripes, group, BLOCK))
    part = carray(floats(part_at), (group, BLOCK))
    for stripe in range(n_stripes):
        for head in range(group):
            for i in range(BLOCK):
                mixed[stripe, head, i] = F32(0)
    for number in range(n_pages):
        weights = weights_at + number * PAGE * 2
        for stripe in range(n_stripes):
            values = pages[number] + to_values + stripe * value_bytes
            ahead = values + value_bytes
            if stripe + 1 == n_stripes and number + 1 < n_pages:
                ahead = pages[number + 1] + to_values
            multiply(weights, n_pages * PAGE * 2, group, values, PAGE // 2, part_at, ahead)
            for head in range(group):
                for i in range(BLOCK):
                    mixed[stripe, head, i] += part[head, i]
    totals = carray(floats(totals_at), group)
    target = plan.mixed + (row * plan.n_heads + kv * group) * head_dim * 2
    result = carray(halves(target), (group, head_dim))
    for head in range(group):
        share = F32(1) / totals[head]
        for stripe in range(head_dim // BLOCK):
            for i in range(BLOCK):
                result[head, stripe * BLOCK + i] = rounded(mixed[stripe, head, i] * share)
        for i in range(head_dim % BLOCK):
            last = head_dim - head_dim % BLOCK
            result[head, last + i] = rounded(mixed[n_stripes - 1, head, i] * share)


@numba.njit
def head_bytes(head_dim):
    """Of one key head's keys and values in a page."""
    return PAGE * (head_dim + (head_dim + BLOCK - 1) // BLOCK * BLOCK) * 2


@_inlined
def _remember(plan, row, kv, page, place, head_dim):
    """Write a token's key and value of one head to their place in its page.

    The first of a page clears its values: what lies there may be NaN, which times 0 is no 0.
    """
    n_values = PAGE * ((head_dim + BLOCK - 1) // BLOCK) * BLOCK
    keys = carray(halves(page), (head_dim // 2, PAGE, 2))
    values = carray(halves(page + PAGE * head_dim * 2), n_values)
    if place == 0:
        for i in range(n_values):
            values[i] = 0
    source = plan.qkv + (row * plan.n_qkv + (plan.n_heads + kv) * head_dim) * 2
    heads = carray(halves(source), head_dim)
    cosines, sines = _turns(plan, row, head_dim)
    for pair in range(head_dim // 2):
        a, b = widened(heads[2 * pair]), widened(heads[2 * pair + 1])
        if plan.rotary != 0:
            a, b = a * cosines[pair] - b * sines[pair], a * sines[pair] + b * cosines[pair]
        keys[pair, place, 0], keys[pair, place, 1] = rounded(a), rounded(b)
    heads = carray(halves(source + plan.n_kv_heads * head_dim * 2), head_dim)
    for i in range(head_dim):
        stripe = (i // BLOCK) * PAGE * BLOCK
        values[stripe + (place // 2) * 2 * BLOCK + (i % BLOCK) * 2 + place % 2] = heads[i]


@_inlined
def _ask(plan, row, kv, target, head_dim, group):
    """The queries of one key head, turned as keys are: (group, D) bfloat16."""
    source = plan.qkv + (row * plan.n_qkv + kv * group * head_dim) * 2
    heads = carray(halves(source), group * head_dim)
    queries = carray(halves(target), group * head_dim)
    cosines, sines = _turns(plan, row, head_dim)
    for head in range(group):
        for pair in range(head_dim // 2):
            i = head * head_dim + 2 * pair
            a, b = widened(heads[i]), widened(heads[i + 1])
            if plan.rotary != 0:
                a, b = a * cosines[pair] - b * sines[pair], a * sines[pair] + b * cosines[pair]
            queries[i], queries[i + 1] = rounded(a), rounded(b)


@_inlined
def _turns(plan, row, head_dim):
    """Cosines and sines of a row's position (RoPE), one of each pair."""
    offset = row * head_dim * 2 if plan.rotary != 0 else 0
    cosines = carray(floats(plan.cosines + offset), head_dim // 2)
    return cosines, carray(floats(plan.sines + offset), head_dim // 2)


@_inlined
def _soften(scores_at, n_seen, n_pages, weights_at, totals_at, group):
    """e**(score - highest) of scores (pages, group, PAGE), as bfloat16 (group, pages * PAGE).

    Their sums to totals (group,). What is behind the n_seen first weighs nothing.
    """
    scores = carray(floats(scores_at), (n_pages, group, PAGE))
    weights = carray(halves(weights_at), (group, n_pages * PAGE))
    totals = carray(floats(totals_at), group)
    for head in range(group):
        for place in range(n_seen - (n_pages - 1) * PAGE, PAGE):
            scores[n_pages - 1, head, place] = F32(-np.inf)
        highest = F32(-np.inf)
        for page in range(n_pages):
            for place in range(PAGE):
                here = scores[page, head, place]
                highest = here if here > highest else highest
        total = F32(0)
        for page in range(n_pages):
            for place in range(PAGE):
                weight = exponential(scores[page, head, place] - highest)
                total += weight
                weights[head, page * PAGE + place] = rounded(weight)
        totals[head] = total
