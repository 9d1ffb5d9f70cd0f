"""Whether an answer is one that Microsoft could have given, by Microsoft's own file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import yaml

from tests.openapi import additions, contexts, refusals
from tests.openapi.closed import FORMATS, ClosedValidator, Closing, Json, is_entity, target
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


_LINKS: Final = ("@odata.nextLink", "@odata.deltaLink", "@odata.context")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for: the operation, the host, and whether entities must have their `id`."""

    template: str
    base: str
    ids: bool


class Schema:
    """The operations of the file, and what is wrong with an answer to one of them."""

    def __init__(self, document: Json) -> None:
        self._operations = document["paths"] | additions.PATHS
        self._responses = document["components"]["responses"]
        self._paths = Paths({path: _METHODS & item.keys() for path, item in self._operations.items()})
        self._closing = Closing(document["components"]["schemas"])
        self._validators: dict[tuple[int, bool, bool], Any] = {}

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

    def problems(
        self,
        method: str,
        path: str,
        status: int,
        content_type: str | None,
        body: bytes,
        *,
        query: str = "",
        base: str = "https://",
    ) -> list[str]:
        """What Microsoft would not have answered so; nothing if all is well.

        `query` is that of the request, as it came; `base` is `https://` and the host that was asked, to which links
        must lead.
        """
        if status >= 400:
            # Refusals have one form, whatever was asked for; also where there is nothing to ask for.
            return list(self._judge_refusal(status, content_type, body))
        template = self._paths.find(method, path)
        if template is None:
            return ["Microsoft has no such operation, and this is no refusal"]
        responses = self._operations[template][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"the status is not documented, only {', '.join(sorted(responses.keys() - {'default'}))}"]
        content = {} if status in _EMPTY else self._content(responses[str(status)])
        asked = _Asked(template, base, ids=_ids(template, query))
        return list(self._judge(content, content_type, body, None if template == _BATCH else asked))

    def _judge_refusal(self, status: int, content_type: str | None, body: bytes) -> Iterator[str]:
        wrong = list(self._judge(self._content(_REFUSAL), content_type, body, None))
        yield from wrong
        fault = None if wrong else refusals.fault(json.loads(body)["error"]["code"], status)
        if fault:
            yield fault

    def _content(self, response: Json) -> Json:
        while "$ref" in response:
            response = self._responses[target(response)]
        return dict(response.get("content", {}))

    def _judge(self, content: Json, content_type: str | None, body: bytes, asked: _Asked | None) -> Iterator[str]:
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
            yield from self._judge_json(content[media]["schema"], body, asked, bare=bare)
        elif "$ref" not in content[media]["schema"]:
            if not body:
                yield "the MIME is empty"
        elif not body.isdigit():
            yield "the count is no number"

    def _judge_json(self, schema: Json, body: bytes, asked: _Asked | None, *, bare: bool) -> Iterator[str]:
        try:
            value = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            yield f"the body is no JSON: {error}"
            return
        validator = self._validator(schema, asked)
        for fault in validator.iter_errors(value):
            yield f"{_place(fault.absolute_path)}{fault.message}"[:LONGEST]
        if asked and isinstance(value, dict):
            yield from _links(value, asked.base)
            yield from _lacking(value, asked.template)
            if "@odata.context" in value:
                fits = self._context_fault(str(value["@odata.context"]), schema, validator.schema, asked.template)
                yield from [fits] if fits else []
            elif not bare:
                yield "@odata.context is missing"

    def _context_fault(self, context: str, schema: Json, closed: Json, template: str) -> str | None:
        schema = self._closing.resolve(schema)
        items = schema.get("properties", {}).get("value", {}).get("items")
        many = items is not None and "$ref" in items
        kind = target(items if many else schema) if many or "$ref" in schema else ""
        return contexts.fault(template, kind, context, many=many, entity=is_entity(closed))

    def _validator(self, schema: Json, asked: _Asked | None) -> Any:
        # The schemas live as long as this does, so no other one can have the same id.
        key = (id(schema), asked is not None, asked is not None and asked.ids)
        if key not in self._validators:
            closed = self._closing.answer(schema, ids=asked.ids) if asked else self._closing.close(schema)
            self._validators[key] = ClosedValidator(closed, format_checker=FORMATS)
        return self._validators[key]


def _ids(template: str, query: str) -> bool:
    """Whether entities have an `id`: in the directory only if `$select` names it, in mailboxes always."""
    selected = [value for name, value in parse_qsl(query) if name.lower().removeprefix("$") == "select"]
    names = {name.strip().lower() for value in selected for name in value.split(",")}
    return not selected or "id" in names or "/messages" in template or "/mailFolders" in template


def _links(value: Json, base: str) -> Iterator[str]:
    for name, link in value.items():
        if name.endswith(_LINKS) and isinstance(link, str) and not link.startswith(f"{base}/" if base[8:] else base):
            yield f"{name} leads to another host than {base}: {link}"[:LONGEST]


def _lacking(value: Json, template: str) -> Iterator[str]:
    for name in additions.GIVEN.get(template.rpartition("/")[2], ()):
        if value.get(name) is None:
            yield f"{name!r} is missing"


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _place(path: Any) -> str:
    """Where in the body, as JavaScript would write it."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{place}: " if place else ""
