"""Whether an answer is one that Microsoft could have given, by Microsoft's own file."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from tests.openapi import additions
from tests.openapi.closed import FORMATS, ClosedValidator, Closing, Json, target
from tests.openapi.paths import Paths

FILE: Final = Path(__file__).parent / "mail-openapi.yaml"
LONGEST: Final = 500
"""Characters of a problem; the library repeats the value that is wrong, however large."""
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_EMPTY: Final = frozenset({202, 204})
_JSON: Final = "application/json"
_ANY: Final = "*/*"
_BATCH: Final = "/$batch"
_REFUSAL: Final = {"$ref": "#/components/responses/error"}


class Schema:
    """The operations of the file, and what is wrong with an answer to one of them."""

    def __init__(self, document: Json) -> None:
        self._operations = document["paths"] | additions.PATHS
        self._responses = document["components"]["responses"]
        self._paths = Paths({path: _METHODS & item.keys() for path, item in self._operations.items()})
        self._closing = Closing(document["components"]["schemas"])
        self._validators: dict[int, Any] = {}

    @staticmethod
    @cache
    def load() -> "Schema":
        """The file, read once (a tenth of a second)."""
        return Schema(yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader))

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Every operation once, as method and template."""
        return self._paths.all()

    def operation(self, method: str, path: str) -> str | None:
        """The template that a path asks for, as it stands on the wire behind `/v1.0`; None if there is no such one."""
        return self._paths.find(method, path)

    def problems(self, method: str, path: str, status: int, content_type: str | None, body: bytes) -> list[str]:
        """What Microsoft would not have answered so; nothing if all is well."""
        if status >= 400:
            # Refusals have one form, whatever was asked for; also where there is nothing to ask for.
            return list(self._judge(self._content(_REFUSAL), content_type, body, context=False))
        template = self._paths.find(method, path)
        if template is None:
            return ["Microsoft has no such operation, and this is no refusal"]
        responses = self._operations[template][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"the status is not documented, only {', '.join(sorted(responses.keys() - {'default'}))}"]
        content = {} if status in _EMPTY else self._content(responses[str(status)])
        return list(self._judge(content, content_type, body, context=template != _BATCH))

    def _content(self, response: Json) -> Json:
        while "$ref" in response:
            response = self._responses[target(response)]
        return dict(response.get("content", {}))

    def _judge(self, content: Json, content_type: str | None, body: bytes, *, context: bool) -> Iterator[str]:
        media = (content_type or "").partition(";")[0].strip().lower()
        if not content:
            if body:
                yield f"the body must be empty and has {len(body)} bytes"
            if content_type is not None:
                yield f"an answer without body has no Content-Type, and here it is {content_type!r}"
        elif media not in content and not (media and _ANY in content):
            yield f"Content-Type is {content_type!r} and must be {' or '.join(sorted(content))}"
        elif _ANY in content:
            return
        elif media == _JSON:
            # Who asks for no metadata gets none but the links (OData JSON 4.01, section 3.1.3).
            bare = "odata.metadata=none" in (content_type or "").replace(" ", "").lower()
            yield from self._judge_json(content[media]["schema"], body, context=context, demanded=context and not bare)
        elif "$ref" in content[media]["schema"] and not body.isdigit():
            yield "the count is no number"

    def _judge_json(self, schema: Json, body: bytes, *, context: bool, demanded: bool) -> Iterator[str]:
        try:
            value = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            yield f"the body is no JSON: {error}"
            return
        for fault in self._validator(schema, context).iter_errors(value):
            yield f"{_place(fault.absolute_path)}{fault.message}"[:LONGEST]
        if demanded and isinstance(value, dict) and "@odata.context" not in value:
            yield "@odata.context is missing"

    def _validator(self, schema: Json, context: bool) -> Any:
        # The schemas live as long as this does, so no other one can have the same id.
        if id(schema) not in self._validators:
            closed = self._closing.answer(schema) if context else self._closing.close(schema)
            self._validators[id(schema)] = ClosedValidator(closed, format_checker=FORMATS)
        return self._validators[id(schema)]


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _place(path: Any) -> str:
    """Where in the body, as JavaScript would write it."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{place}: " if place else ""
