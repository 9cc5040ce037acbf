"""Store calls that a cancel does not cut in two. Knows no SQL.

A connection cut off in mid-transaction is thrown away, but SQLite keeps its lock until Python has
collected the statement that was running: until then every other write fails.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")
Class = TypeVar("Class", bound=type)


def whole_calls(cls: Class) -> Class:
    """Every public coroutine method runs to its end, and then its caller's cancel goes on."""
    for name, method in list(vars(cls).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(cls, name, _whole(method))
    return cls


def _whole(
    method: Callable[Params, Awaitable[Result]],
) -> Callable[Params, Awaitable[Result]]:
    @wraps(method)
    async def call(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        task = asyncio.ensure_future(method(*args, **kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.gather(task, return_exceptions=True)
            raise

    return call
