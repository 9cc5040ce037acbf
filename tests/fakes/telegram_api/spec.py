"""Judges a request by the published Bot API description (methods, fields, types, nested objects).

The description is data kept outside the repository: `telegram-bot-api.json` in the folder that
API_SPECS names, or in ../shared/specs beside the project. Knows nothing of chats or limits.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

_FILE = "telegram-bot-api.json"
_PROJECT = Path(__file__).resolve().parents[3]


class Spec:
    """The Bot API's methods and types, as published."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._methods: dict[str, Any] = document["methods"]
        self._types: dict[str, Any] = document["types"]

    def problems(self, method: str, params: dict[str, Any], files: set[str]) -> list[str]:
        """What is wrong with a call of `method`; empty when nothing is.

        `params` are decoded values, `files` the names of uploaded parts.
        """
        if method not in self._methods:
            return [f"{method}: no such method in the Bot API"]
        fields = {field["name"]: field for field in self._methods[method].get("fields", [])}
        attached = _attached(params)
        problems = [f"{method}: unknown field {name}" for name in params if name not in fields]
        problems += [
            f"{method}: required field {name} is missing"
            for name, field in fields.items()
            if field["required"] and name not in params and name not in files
        ]
        problems += [
            f"{method}: uploaded part {name} belongs to no field"
            for name in files - fields.keys() - attached
        ]
        problems += [f"{method}: attach://{name} was not uploaded" for name in attached - files]
        for name, value in params.items():
            if name in fields:
                problems += self._any_of(f"{method}.{name}", value, fields[name]["types"])
        return problems

    def _any_of(self, path: str, value: Any, types: list[str]) -> list[str]:
        """No problem if one of `types` fits; else those of the type that fits best."""
        return min((self._check(path, value, name) for name in types), key=len)

    def _check(self, path: str, value: Any, type_name: str) -> list[str]:
        if type_name.startswith("Array of "):
            if not isinstance(value, list):
                return [f"{path}: {value!r} is not an array"]
            inner = type_name.removeprefix("Array of ")
            return [
                problem
                for index, item in enumerate(value)
                for problem in self._check(f"{path}[{index}]", item, inner)
            ]
        if type_name in _PLAIN:
            return [] if _PLAIN[type_name](value) else [f"{path}: {value!r} is not {type_name}"]
        return self._check_object(path, value, self._types[type_name])

    def _check_object(self, path: str, value: Any, declared: dict[str, Any]) -> list[str]:
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is not {declared['name']}"]
        if declared.get("subtypes"):
            return self._any_of(path, value, declared["subtypes"])
        fields = {field["name"]: field for field in declared.get("fields", [])}
        problems = [f"{path}: unknown field {name}" for name in value if name not in fields]
        for name, field in fields.items():
            if name in value:
                problems += self._any_of(f"{path}.{name}", value[name], field["types"])
            elif field["required"]:
                problems.append(f"{path}: required field {name} is missing")
        return problems


_PLAIN = {
    "Integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "Boolean": lambda value: isinstance(value, bool),
    "String": lambda value: isinstance(value, str),
    "InputFile": lambda value: isinstance(value, str) and value.startswith("attach://"),
}


def _attached(value: Any) -> set[str]:
    """Names of all `attach://` references inside `value`."""
    if isinstance(value, str):
        return {value.removeprefix("attach://")} if value.startswith("attach://") else set()
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return set()
    return set().union(*(_attached(child) for child in children))


def spec_file() -> Path | None:
    """Where the description lies, or None."""
    folders = [os.environ.get("API_SPECS"), _PROJECT.parent / "shared" / "specs"]
    for folder in folders:
        if folder and (Path(folder) / _FILE).is_file():
            return Path(folder) / _FILE
    return None


@functools.cache
def load_spec() -> Spec | None:
    """The description, read once; None where it is not to be had."""
    path = spec_file()
    return Spec(json.loads(path.read_text(encoding="utf-8"))) if path else None
