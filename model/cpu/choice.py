"""Choosing the next tokens as `model.sampling` does, by a kernel that sorts few of them.

The k likeliest are among all that reach a limit which at least k blocks of tokens reach, each by
its highest. The limit is sought so that few others reach it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numba import carray
from torch import Tensor

from model.cpu.compiler import (
    behind,
    compiled,
    floats,
    integers,
    njit,
    octets,
    run_in_team,
    thread_count,
    thread_number,
    version,
)
from model.cpu.lanes import (
    F32,
    LANES_BYTES,
    N_LANES,
    at_least,
    exponential,
    first_one,
    highest_of,
    kept_above,
    larger,
    load,
    n_ones,
    spread,
    sum_of,
)
from model.cpu.products import fetch
from model.sampling import CANDIDATES, BatchSampling

CHOICE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "version", "n_rows", "n_vocab", "n_blocks", "logits", "row_bytes", "seen", "n_seen",
            "uniform", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty",
            "tokens", "own", "own_bytes",
        )
    ]
)  # fmt: skip
"""All that is needed to choose, as numbers and addresses."""

_BLOCK = 2 * N_LANES
_AHEAD = 4096
"""Bytes fetched ahead of those looked at: half of them lie in another core's cache."""
_LOWEST = -87.0
"""Where e**x is taken as 0."""


class Chooser:
    """What `model.sampling.next_tokens` does, with its arguments, for float32 on a CPU."""

    def __init__(self, folder: Path) -> None:
        self._kernel = choice_kernel(folder)
        self._plan = np.zeros(1, CHOICE)
        self._plan["version"] = version()
        self._own = torch.empty(0, dtype=torch.uint8)
        self._rows: BatchSampling | None = None
        """Whose settings the plan has; these are the same for many steps."""

    def __call__(
        self, logits: Tensor, seen: Tensor, uniform: Tensor, rows: BatchSampling
    ) -> Tensor:
        n_rows, n_vocab = logits.shape
        n_threads = min(torch.get_num_threads(), n_rows)
        plan = self._plan[0]
        if rows is not self._rows:
            self._rows = rows
            for name in ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty"):
                plan[name] = getattr(rows, name).data_ptr()
        # As many blocks as fill the last `Lanes` of their highest.
        n_blocks = -(-n_vocab // (_BLOCK * N_LANES)) * N_LANES
        own_bytes = _own_bytes(n_vocab, n_blocks, seen.shape[1])
        if len(self._own) < own_bytes * n_threads:
            self._own = torch.empty(own_bytes * n_threads, dtype=torch.uint8)
        tokens = torch.empty(n_rows, dtype=torch.int64)
        seen, uniform = seen.contiguous(), uniform.contiguous()
        plan["n_rows"], plan["n_vocab"], plan["n_blocks"] = n_rows, n_vocab, n_blocks
        plan["logits"], plan["row_bytes"] = logits.data_ptr(), logits.stride(0) * 4
        plan["seen"], plan["n_seen"] = seen.data_ptr(), seen.shape[1]
        plan["uniform"], plan["tokens"] = uniform.data_ptr(), tokens.data_ptr()
        plan["own"], plan["own_bytes"] = self._own.data_ptr(), own_bytes
        run_in_team(self._kernel, self._plan.ctypes.data, n_threads)
        return tokens


def _own_bytes(n_vocab: int, n_blocks: int, n_seen: int) -> int:
    """What a thread needs to work in: see `_choose`."""
    return -(-(n_blocks * 4 + n_seen * 4 + n_vocab * (4 + 8)) // 64) * 64 + 256


@cache
def choice_kernel(folder: Path) -> int:
    """The address of the kernel, which takes that of a CHOICE. See `compiled` for `folder`."""
    this_version = version()

    def run(data):
        plan = carray(data, 1, CHOICE)[0]
        if plan.version != this_version:  # never; it makes the version part of the kernel
            return
        tokens = carray(integers(plan.tokens), plan.n_rows)
        thread, n_threads = thread_number(), thread_count()
        for row in range(thread, plan.n_rows, n_threads):
            tokens[row] = _choose(plan, row, plan.own + thread * plan.own_bytes)

    return compiled(run, folder)


@njit
def _choose(plan, row, own):
    """The next token of a row."""
    n_vocab, n_blocks = plan.n_vocab, plan.n_blocks
    logits_at = plan.logits + row * plan.row_bytes
    highest_at = own
    values_at = behind(highest_at, n_blocks * 4)
    tokens_at = behind(values_at, n_vocab * 4)
    seen_at = behind(tokens_at, n_vocab * 8)
    penalty = carray(floats(plan.repetition_penalty), plan.n_rows)[row]
    if penalty != F32(1):
        seen = carray(integers(plan.seen + row * plan.n_seen * 8), plan.n_seen)
        _penalise(logits_at, n_vocab, seen, carray(floats(seen_at), plan.n_seen), penalty)
    top = _find_highest(logits_at, n_vocab, highest_at, n_blocks)
    values, tokens = carray(floats(values_at), n_vocab), carray(integers(tokens_at), n_vocab)
    if carray(octets(plan.do_sample), plan.n_rows)[row] == 0:
        _collect(logits_at, n_vocab, highest_at, top, values, tokens)
        return tokens[0]
    temperature = carray(floats(plan.temperature), plan.n_rows)[row]
    uniform = carray(floats(plan.uniform), plan.n_rows)[row]
    top_k = carray(integers(plan.top_k), plan.n_rows)[row]
    top_p = carray(floats(plan.top_p), plan.n_rows)[row]
    if top_k < n_vocab:
        limit = _limit(highest_at, n_blocks, top, top_k)
        n_found = _collect(logits_at, n_vocab, highest_at, limit, values, tokens)
        _heap(values, tokens, n_found)
        n_kept, total, last = 0, 0.0, top
        while n_kept < n_found and (n_kept < top_k or values[0] == last):
            last = values[0]
            total += _taken(values, tokens, n_found - n_kept, top, temperature)
            n_kept += 1
        return _drawn(values, tokens, n_found, n_kept, top_p * total, uniform)
    total = _total(logits_at, n_vocab, top, temperature)
    if top_p >= F32(1):
        return _drawn_from_all(logits_at, n_vocab, top, temperature, total, uniform)
    limit = _limit(highest_at, n_blocks, top, min(CANDIDATES, n_vocab))
    n_found = _collect(logits_at, n_vocab, highest_at, limit, values, tokens)
    mass = 0.0
    for i in range(n_found):
        mass += _weight(values[i], top, temperature)
    if mass < top_p * total:
        n_found = _collect(logits_at, n_vocab, highest_at, F32(-np.inf), values, tokens)
    _heap(values, tokens, n_found)
    n_kept, mass = 0, 0.0
    while n_kept < n_found and mass < top_p * total:
        mass += _taken(values, tokens, n_found - n_kept, top, temperature)
        n_kept += 1
    return _drawn(values, tokens, n_found, n_kept, mass, uniform)


@njit
def _penalise(logits_at, n_vocab, seen, penalised, penalty):
    """As `model.sampling.penalise`: once, however often a token was seen."""
    logits = carray(floats(logits_at), n_vocab)
    for i in range(len(seen)):
        score = logits[seen[i]]
        penalised[i] = score * penalty if score < F32(0) else score / penalty
    for i in range(len(seen)):
        logits[seen[i]] = penalised[i]


@njit
def _find_highest(logits_at, n_vocab, highest_at, n_blocks):
    """The highest logit of each block (-inf behind the last), and of all."""
    highest = carray(floats(highest_at), n_blocks)
    n_whole = n_vocab // _BLOCK
    tops = spread(F32(-np.inf))
    for block in range(n_whole):
        at = logits_at + block * _BLOCK * 4
        fetch(at + _AHEAD)
        fetch(at + _AHEAD + LANES_BYTES)
        here = larger(load(at), load(at + LANES_BYTES))
        tops = larger(here, tops)
        highest[block] = highest_of(here)
    top = highest_of(tops)
    for block in range(n_whole, n_blocks):
        highest[block] = F32(-np.inf)
    logits = carray(floats(logits_at), n_vocab)
    for token in range(n_whole * _BLOCK, n_vocab):
        highest[n_whole] = max(highest[n_whole], logits[token])
        top = max(top, logits[token])
    return top


@njit
def _limit(highest_at, n_blocks, top, least):
    """A logit that is reached by `least` blocks and not by many more; -inf if they are too few."""
    step, low = F32(1), top
    while _n_reaching(highest_at, n_blocks, low) < least:
        if step > F32(1e30):
            return F32(-np.inf)
        low, step = top - step, step * F32(2)
    high = top
    for _ in range(12):
        middle = low + (high - low) * F32(0.5)
        n_reaching = _n_reaching(highest_at, n_blocks, middle)
        if n_reaching >= least:
            low = middle
            if n_reaching == least:
                break
        else:
            high = middle
    return low


@njit
def _n_reaching(highest_at, n_blocks, limit):
    limits, n_reaching = spread(limit), 0
    for at in range(highest_at, highest_at + n_blocks * 4, LANES_BYTES):
        n_reaching += n_ones(at_least(load(at), limits))
    return n_reaching


@njit
def _collect(logits_at, n_vocab, highest_at, limit, values, tokens):
    """All tokens whose logits reach the limit, in their order; how many."""
    n_whole, n_found, limits = n_vocab // _BLOCK, 0, spread(limit)
    highest = carray(floats(highest_at), n_whole + 1)
    logits = carray(floats(logits_at), n_vocab)
    for block in range(n_whole):
        if highest[block] >= limit:
            for part in range(2):
                first = block * _BLOCK + part * N_LANES
                bits = at_least(load(logits_at + first * 4), limits)
                while bits != 0:
                    token = first + first_one(bits)
                    values[n_found], tokens[n_found] = logits[token], token
                    n_found += 1
                    bits &= bits - 1
    for token in range(n_whole * _BLOCK, n_vocab):
        if logits[token] >= limit:
            values[n_found], tokens[n_found] = logits[token], token
            n_found += 1
    if n_found == 0:  # all of them NaN: the row is lost, and the token of no matter
        values[0], tokens[0] = F32(0), 0
        n_found = 1
    return n_found


# --- A heap, the likeliest on top and of equals the first; what is taken from it lies behind it ---


@njit
def _heap(values, tokens, n):
    for root in range(n // 2 - 1, -1, -1):
        _sink(values, tokens, root, n)


@njit
def _taken(values, tokens, n, top, temperature):
    """Take the likeliest of n, which then lies at n - 1 with its weight."""
    values[0], values[n - 1] = values[n - 1], values[0]
    tokens[0], tokens[n - 1] = tokens[n - 1], tokens[0]
    _sink(values, tokens, 0, n - 1)
    values[n - 1] = _weight(values[n - 1], top, temperature)
    return np.float64(values[n - 1])


@njit
def _sink(values, tokens, root, n):
    value, token = values[root], tokens[root]
    while 2 * root + 1 < n:
        child = 2 * root + 1
        if child + 1 < n and _before(
            values[child + 1], tokens[child + 1], values[child], tokens[child]
        ):
            child += 1
        if not _before(values[child], tokens[child], value, token):
            break
        values[root], tokens[root] = values[child], tokens[child]
        root = child
    values[root], tokens[root] = value, token


@njit
def _before(value, token, other_value, other_token):
    return value > other_value or (value == other_value and token < other_token)


# --- Drawing ---


@njit
def _weight(logit, top, temperature):
    return F32(np.exp(np.float64(logit - top) / temperature))


@njit
def _drawn(values, tokens, n_found, n_kept, most, uniform):
    """One of the n_kept taken of n_found, by its weight.

    Only those count before which less than `most` lies.
    """
    mass, first = 0.0, n_found
    while first > n_found - n_kept and mass < most:
        first -= 1
        mass += values[first]
    target, running = uniform * mass, 0.0
    for i in range(n_found - 1, first, -1):
        running += values[i]
        if running > target:
            return tokens[i]
    return tokens[min(first, n_found - 1)]  # none at all where infinity made all weights NaN


@njit
def _weights(at, top, temperature):
    """Sixteen weights; 0 for what is very unlikely."""
    powers = (load(at) - top) / temperature
    return kept_above(exponential(powers), powers, spread(F32(_LOWEST)))


@njit
def _total(logits_at, n_vocab, top, temperature):
    """The sum of all tokens' weights."""
    tops, temperatures, total = spread(top), spread(temperature), 0.0
    for first in range(0, n_vocab // N_LANES * N_LANES, N_LANES):
        total += sum_of(_weights(logits_at + first * 4, tops, temperatures))
    logits = carray(floats(logits_at), n_vocab)
    for token in range(n_vocab // N_LANES * N_LANES, n_vocab):
        total += _weight(logits[token], top, temperature)
    return total


@njit
def _drawn_from_all(logits_at, n_vocab, top, temperature, total, uniform):
    """A token by its weight, in the vocabulary's order: nothing to sort."""
    tops, temperatures = spread(top), spread(temperature)
    target, running, drawn = uniform * total, 0.0, 0
    logits = carray(floats(logits_at), n_vocab)
    for first in range(0, n_vocab, N_LANES):
        if first + N_LANES <= n_vocab:
            here = np.float64(sum_of(_weights(logits_at + first * 4, tops, temperatures)))
            if running + here <= target:
                running += here
                continue
        for token in range(first, min(first + N_LANES, n_vocab)):
            weight = np.float64(_weight(logits[token], top, temperature))
            if weight > 0:
                running, drawn = running + weight, token
                if running > target:
                    return drawn
    return drawn
