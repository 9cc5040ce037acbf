"""The fastest way through a model on a CPU: our own kernels, in bfloat16.

One call runs all layers in torch's threads, so nothing is paid between operations: `kernels` has
the pass with its `attention`, `pages` its memory, `choice` what chooses the tokens after it, and
`decoder` the `Decoder`. `lanes` (numbers sixteen at a time), `products` and `compiler` have what
numba lacks for them.
"""

from __future__ import annotations

from functools import cache


@cache
def available() -> bool:
    """Whether kernels can be compiled here, and run in torch's threads."""
    try:
        from model.cpu.compiler import team
    except ImportError:  # there is no numba for every Python and processor
        return False
    return team() is not None
