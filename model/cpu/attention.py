"""How tokens read from those before them in their story: the attention of one layer.

The products of queries with a page's keys, and of weights with its values, are products with
blocks of "weights": keys lie as (D / 2, PAGE, 2), values as (D / BLOCK, PAGE / 2, BLOCK, 2).
"""

from __future__ import annotations

import numpy as np
from numba import carray

from model.cpu.compiler import behind, floats, halves, inlined, integers, njit, words
from model.cpu.lanes import (
    F32,
    LANES_BYTES,
    N_LANES,
    exponential,
    firsts,
    highest_of,
    larger,
    load,
    scatter_pairs,
    seconds,
    spread,
    store,
    store_halves,
    store_pairs,
    sum_of,
)
from model.cpu.products import BLOCK, BLOCK_BYTES, LINE, add_product, fetch, multiply

PAGE = BLOCK
"""Positions whose keys and values lie together, and are given to a story together."""


@inlined
def attend(plan, layer, own, thread, n_threads, head_dim, group):
    """Each token reads from those before it in its story: what it reads to `mixed` (N, H D)."""
    n_units = plan.n_stories * plan.n_kv_heads
    positions = carray(integers(plan.positions), plan.n_rows)
    # All is written down before any is read, and keys are fetched meanwhile.
    for unit in range(thread, n_units, n_threads):
        kv, first, stop, pages, to_keys = _unit(plan, layer, unit, head_dim)
        for row in range(first, stop):
            page, place = pages[positions[row] // PAGE] + to_keys, positions[row] % PAGE
            _remember(plan, row, kv, page, place, head_dim)
        for number in range(positions[stop - 1] // PAGE + 1):
            keys = pages[number] + to_keys
            for at in range(keys, keys + PAGE * head_dim * 2, LINE):
                fetch(at)
    for unit in range(thread, n_units, n_threads):
        kv, first, stop, pages, to_keys = _unit(plan, layer, unit, head_dim)
        following = min(unit + n_threads, n_units - 1)
        _, _, _, coming, to_coming = _unit(plan, layer, following, head_dim)
        for row in range(first, stop):
            position = positions[row]
            _read(plan, row, kv, pages, to_keys, coming, to_coming, position, own, head_dim, group)


@inlined
def _unit(plan, layer, unit, head_dim):
    """One story and key head: that head, the story's first row and the one behind its last, its
    pages, and how far into each of them the head's keys of this layer are."""
    story, kv = unit // plan.n_kv_heads, unit % plan.n_kv_heads
    stories = carray(integers(plan.stories), (4, plan.n_stories))
    first, n_rows, slot = stories[0, story], stories[1, story], stories[3, story]
    pages = carray(integers(plan.pages + slot * plan.pages_step * 8), plan.pages_step)
    to_keys = (layer * plan.n_kv_heads + kv) * head_bytes(head_dim)
    return kv, first, first + n_rows, pages, to_keys


@inlined
def _read(plan, row, kv, pages, to_keys, coming, to_coming, position, own, head_dim, group):
    """What one token's heads of one key head read from its story's pages.

    While keys are read, the values of the same page are fetched; then the keys `coming` next.
    """
    n_pages, n_stripes = position // PAGE + 1, head_dim // BLOCK
    to_values = to_keys + PAGE * head_dim * 2
    value_bytes, mixed_bytes = PAGE * BLOCK * 2, group * BLOCK_BYTES
    query_at = own
    totals_at = behind(query_at, group * head_dim * 2)
    mixed_at = behind(totals_at, group * 4)
    scores_at = mixed_at + n_stripes * mixed_bytes
    weights_at = scores_at + n_pages * group * BLOCK_BYTES
    _ask(plan, row, kv, query_at, head_dim, group)
    for number in range(n_pages):
        keys, scores = pages[number] + to_keys, scores_at + number * group * BLOCK_BYTES
        multiply(
            query_at, head_dim * 2, group, keys, head_dim // 2, scores, BLOCK_BYTES,
            pages[number] + to_values,
        )  # fmt: skip
    _soften(scores_at, position + 1, n_pages, weights_at, totals_at, group)
    for at in range(mixed_at, mixed_at + n_stripes * mixed_bytes, LANES_BYTES):
        store(at, spread(F32(0)))
    for number in range(n_pages):
        weights, values = weights_at + number * PAGE * 2, pages[number] + to_values
        for stripe in range(n_stripes):
            add_product(
                weights, n_pages * PAGE * 2, group, values + stripe * value_bytes,
                PAGE // 2, mixed_at + stripe * mixed_bytes, BLOCK_BYTES,
                coming[number] + to_coming + stripe * value_bytes,
            )  # fmt: skip
    totals = carray(floats(totals_at), group)
    result = plan.mixed + (row * plan.n_heads + kv * group) * head_dim * 2
    for head in range(group):
        share = spread(F32(1) / totals[head])
        for i in range(0, head_dim, N_LANES):
            stripe, place = i // BLOCK, i % BLOCK
            mixed = load(mixed_at + stripe * mixed_bytes + head * BLOCK_BYTES + place * 4)
            store_halves(result + (head * head_dim + i) * 2, mixed * share)


@njit
def head_bytes(head_dim):
    """Of one key head's keys and values in a page."""
    return PAGE * 2 * head_dim * 2


@inlined
def _remember(plan, row, kv, page, place, head_dim):
    """Write a token's key and value of one head to their place in its page.

    The first of a page clears its values: what lies there may be NaN, which times 0 is no 0.
    """
    source = plan.qkv + (row * plan.n_qkv + (plan.n_heads + kv) * head_dim) * 2
    for i in range(0, head_dim // 2, N_LANES):
        at = source + i * 4
        first, second = _turned(plan, row, firsts(at), seconds(at), i, head_dim)
        scatter_pairs(page + (i * PAGE + place) * 4, PAGE * 4, first, second)
    source, to_values = source + plan.n_kv_heads * head_dim * 2, page + PAGE * head_dim * 2
    if place == 0:
        for at in range(to_values, to_values + PAGE * head_dim * 2, LANES_BYTES):
            store(at, spread(F32(0)))
    value = carray(halves(source), head_dim)
    pairs = carray(words(to_values), PAGE // 2 * head_dim)
    shift = np.uint32(16 * (place % 2))
    kept = np.uint32(0xFFFF0000) >> shift
    for stripe in range(head_dim // BLOCK):
        start = (stripe * PAGE // 2 + place // 2) * BLOCK
        for i in range(BLOCK):
            half = np.uint32(value[stripe * BLOCK + i]) << shift
            pairs[start + i] = (pairs[start + i] & kept) | half


@inlined
def _ask(plan, row, kv, target, head_dim, group):
    """The queries of one key head, turned as keys are: (group, D) bfloat16."""
    source = plan.qkv + (row * plan.n_qkv + kv * group * head_dim) * 2
    for head in range(group):
        for i in range(0, head_dim // 2, N_LANES):
            at = (head * head_dim // 2 + i) * 4
            pair = firsts(source + at), seconds(source + at)
            first, second = _turned(plan, row, pair[0], pair[1], i, head_dim)
            store_pairs(target + at, first, second)


@inlined
def _turned(plan, row, first, second, i, head_dim):
    """Pairs from the i-th on, turned by the angles of a row's position (RoPE)."""
    if plan.rotary != 0:
        at = (row * head_dim // 2 + i) * 4
        cosines, sines = load(plan.cosines + at), load(plan.sines + at)
        return first * cosines - second * sines, first * sines + second * cosines
    return first, second


@inlined
def _soften(scores_at, n_seen, n_pages, weights_at, totals_at, group):
    """e**(score - highest) of scores (pages, group, PAGE), as bfloat16 (group, pages * PAGE).

    Their sums to totals (group,). What is behind the n_seen first weighs nothing.
    """
    scores = carray(floats(scores_at), (n_pages, group, PAGE))
    totals = carray(floats(totals_at), group)
    for head in range(group):
        for place in range(n_seen - (n_pages - 1) * PAGE, PAGE):
            scores[n_pages - 1, head, place] = F32(-np.inf)
        highest, page_bytes = spread(F32(-np.inf)), group * BLOCK_BYTES
        first = scores_at + head * BLOCK_BYTES
        for at in range(first, first + n_pages * page_bytes, page_bytes):
            highest = larger(load(at), larger(load(at + LANES_BYTES), highest))
        top, total = spread(highest_of(highest)), spread(F32(0))
        target = weights_at + head * n_pages * PAGE * 2
        for page in range(n_pages):
            at, to = first + page * page_bytes, target + page * PAGE * 2
            here = exponential(load(at) - top)
            there = exponential(load(at + LANES_BYTES) - top)
            store_halves(to, here)
            store_halves(to + N_LANES * 2, there)
            total = total + (here + there)
        totals[head] = sum_of(total)
