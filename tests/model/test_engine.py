from __future__ import annotations

import pytest

from model.engine import SamplingParams


def test_a_limit_of_no_tokens_is_refused() -> None:
    """0 and None are two things: no room at all, and all the room that the model has."""
    with pytest.raises(ValueError, match="max_length is 0; it must be 1 or more"):
        SamplingParams(max_length=0)
    with pytest.raises(ValueError, match="max_new_tokens is 0; it must be 1 or more"):
        SamplingParams(max_new_tokens=0)
    assert SamplingParams(max_length=1).max_length == 1
    assert SamplingParams().max_length is None
