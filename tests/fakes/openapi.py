"""Judge HTTP requests and answers by Discord's own OpenAPI 3.1 file.

Knows JSON Schema and nothing of stories. The file is not ours to ship: `discord_spec()` looks in
`API_SPECS`, then at ../shared/specs beside the project, and answers None where neither has it.
"""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_NAME = "discord-openapi.json"
_BASE = "urn:discord"


def spec_folder() -> Path:
    """Where the official specs are looked for."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "specs"
    return Path(os.environ.get("API_SPECS") or beside)


@functools.cache
def discord_spec() -> ApiSpec | None:
    """The Discord spec, read once per process; None where it is not to be had."""
    path = spec_folder() / _NAME
    return ApiSpec(json.loads(path.read_text("utf-8"))) if path.is_file() else None


class ApiSpec:
    """Validators for each operation of one OpenAPI document, compiled when first needed."""

    def __init__(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        # The API takes a snowflake as a number too, and discord.py sends some so; the spec names
        # only the string that it answers with (docs: reference, "Snowflakes").
        schemas["SnowflakeType"] = {"type": ["string", "integer"], "pattern": "^(0|[1-9][0-9]*)$"}
        self.paths: dict[str, Any] = document["paths"]
        self._patterns = [(_pattern(path), path) for path in sorted(self.paths, key=_literal_last)]
        resource = DRAFT202012.create_resource(document)
        self._registry: Registry = Registry().with_resource(_BASE, resource)
        self._unions = _discriminated(schemas)

    def template(self, path: str) -> str | None:
        """The path of the document that `path` is an instance of."""
        return next((known for regex, known in self._patterns if regex.fullmatch(path)), None)

    def request_problems(self, method: str, path: str, body: Any) -> list[str]:
        """What the spec finds wrong with a request; empty when it is sound."""
        template = self.template(path)
        if template is None or method.lower() not in self.paths[template]:
            return [f"{method} {path} is not in the spec"]
        content = self.paths[template][method.lower()].get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return [] if body is None else [f"{method} {template} takes no body"]
        pointer = ["paths", template, method.lower(), "requestBody", "content", "application/json"]
        return self._problems([*pointer, "schema"], body)

    def answer_problems(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What the spec finds wrong with an answer of the fake itself."""
        template = self.template(path)
        if template is None:
            return []
        responses = self.paths[template][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"{method} {template} never answers {status}"]
        if "application/json" not in responses[str(status)].get("content", {}):
            return [] if body is None else [f"{method} {template} answers {status} without a body"]
        pointer = ["paths", template, method.lower(), "responses", str(status)]
        return self._problems([*pointer, "content", "application/json", "schema"], body)

    def _problems(self, pointer: list[str], body: Any) -> list[str]:
        errors = list(self._validator(tuple(pointer)).iter_errors(body))
        return [_sentence(self._narrow(error)) for error in errors]

    @functools.cache  # noqa: B019 — one spec lives as long as the process
    def _validator(self, pointer: tuple[str, ...]) -> Draft202012Validator:
        escaped = "/".join(quote(part.replace("~", "~0").replace("/", "~1")) for part in pointer)
        return Draft202012Validator({"$ref": f"{_BASE}#/{escaped}"}, registry=self._registry)

    def _narrow(self, error: ValidationError) -> ValidationError:
        """The one mistake behind "matches none of these": follow the branch with our `type`."""
        while error.validator in ("anyOf", "oneOf") and error.context:
            kind = error.instance.get("type") if isinstance(error.instance, dict) else None
            branches: dict[int, list[ValidationError]] = {}
            for inner in error.context:
                branches.setdefault(inner.schema_path[0], []).append(inner)
            refs = [branch.get("$ref", "").rsplit("/", 1)[-1] for branch in error.validator_value]
            ours = [i for i, name in enumerate(refs) if kind in self._unions.get(name, ())]
            found = best_match(branches.get(ours[0], error.context) if ours else error.context)
            if found is None:
                break
            error = found
        return error


def _discriminated(schemas: dict[str, Any]) -> dict[str, list[Any]]:
    """For each schema whose `type` is one of a few constants, those constants."""
    types = {name: schema.get("properties", {}).get("type") for name, schema in schemas.items()}
    return {name: kind["enum"] for name, kind in types.items() if kind and "enum" in kind}


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def _literal_last(template: str) -> tuple[int, str]:
    """Sorts `/users/@me` before `/users/{id}`."""
    return template.count("{"), template


def _sentence(error: ValidationError) -> str:
    where = "/".join(str(part) for part in error.absolute_path) or "body"
    said = error.message if len(error.message) <= 300 else f"{error.message[:60]}…"
    return f"{where}: {said} ({error.validator} {str(error.validator_value)[:60]})"
