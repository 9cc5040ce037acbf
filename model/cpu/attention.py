"""How tokens read from those before them in their story: the attention of one layer.

The products of queries with a page's keys, and of weights with its values, are products with
blocks of "weights": keys lie as (D / 2, PAGE, 2), values as (D / BLOCK, PAGE / 2, BLOCK, 2).
"""

from __future__ import annotations

import numpy as np
from numba import carray

from model.cpu.compiler import (
    BLOCK,
    F32,
    behind,
    exponential,
    floats,
    halves,
    inlined,
    integers,
    multiply,
    njit,
    rounded,
    widened,
)

PAGE = 32
"""Positions whose keys and values lie together, and are given to a story together."""


@inlined
def attend(plan, layer, own, thread, n_threads, head_dim, group):
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


@inlined
def _read(plan, row, kv, pages, to_keys, n_pages, own, head_dim, group):
    """What one token's heads of one key head read from `n_pages` pages."""
    position = carray(integers(plan.positions), plan.n_rows)[row]
    to_values = to_keys + PAGE * head_dim * 2
    value_bytes = PAGE * BLOCK * 2
    n_stripes = (head_dim + BLOCK - 1) // BLOCK
    query_at = own
    totals_at = behind(query_at, group * head_dim * 2)
    mixed_at = behind(totals_at, group * 4)
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


@njit
def head_bytes(head_dim):
    """Of one key head's keys and values in a page."""
    return PAGE * (head_dim + (head_dim + BLOCK - 1) // BLOCK * BLOCK) * 2


@inlined
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


@inlined
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


@inlined
def _turns(plan, row, head_dim):
    """Cosines and sines of a row's position (RoPE), one of each pair."""
    offset = row * head_dim * 2 if plan.rotary != 0 else 0
    cosines = carray(floats(plan.cosines + offset), head_dim // 2)
    return cosines, carray(floats(plan.sines + offset), head_dim // 2)


@inlined
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
