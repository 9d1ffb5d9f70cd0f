"""The file's schemas, closed: merged with what they inherit, and without room for properties that nobody declared."""

import binascii
import re
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from tests.openapi import additions

Json = dict[str, Any]

_ENTITY: Final = "microsoft.graph.entity"
_NO_TYPE: Final = re.compile(r"Response$|\.ODataErrors\.")
"""Schemas of the file that stand for no type of Microsoft's model."""
_DELTA: Final = "@odata.deltaLink"
_NEXT: Final = "@odata.nextLink"


class Closing:
    """Closes schemas of one file. What it makes holds no references, but the objects themselves; cycles too."""

    def __init__(self, schemas: Mapping[str, Json]) -> None:
        self._schemas = schemas
        self._made: dict[tuple[str, bool], Json] = {}
        self._derived: dict[str, list[str]] = defaultdict(list)
        for name, schema in schemas.items():
            for part in schema.get("allOf", ()):
                if "$ref" in part:
                    self._derived[target(part)].append(name)

    def answer(self, schema: Json, *, ids: bool = True) -> Json:
        """The closed schema of a whole body: what only the outermost object may have is added to it.

        With `ids` the entities that were asked for have one; those inside of them may do without.
        """
        closed = self.close(schema)
        closed = _with_ids(closed) if ids else dict(closed)
        if "x-derived" in closed:
            return closed | {"x-derived": {name: self._outermost(each) for name, each in closed["x-derived"].items()}}
        return self._outermost(closed) if "properties" in closed else closed

    def resolve(self, schema: Json) -> Json:
        """The schema of a collection by its name as it stands in the file; any other as it is."""
        named = self._schemas[target(schema)] if "$ref" in schema else {}
        return named if _is_list(named) else schema

    def close(self, schema: Json, *, nullable: bool = False) -> Json:
        """Any schema, closed."""
        if "$ref" in schema:
            return self._named(target(schema), nullable)
        if "items" in schema:
            return schema | {"items": self.close(schema["items"])}
        if "properties" in schema or "allOf" in schema:
            return self._object(schema, schema.get("title", "this object"))
        return schema

    def _named(self, name: str, nullable: bool) -> Json:
        key = (name, nullable)
        if key not in self._made:
            self._made[key] = made = {}  # Known before it is full, for types that hold themselves.
            made.update(self._build(name))
            if nullable:
                made["nullable"] = True
            if nullable and "enum" in made:
                made["enum"] = [*made["enum"], None]
        return self._made[key]

    def _build(self, name: str) -> Json:
        if kinds := self._kinds(name):
            return {"type": "object", "x-derived": kinds}
        schema = self._schemas[name]
        if not self._is_object(schema, name):
            return self.close(schema)
        made = self._object(schema, name)
        if not _NO_TYPE.search(name):
            made["properties"]["@odata.type"] = {"type": "string", "enum": [f"#{name}"]}
        if _ENTITY in self._ancestors(name):
            made["properties"] |= additions.ENTITY
        return made

    def _kinds(self, name: str) -> Json:
        """What an abstract type can be, by the `@odata.type` that an answer must then have."""
        return {f"#{kind}": self._named(kind, False) for kind in self._derived[name]}

    def _is_object(self, schema: Json, name: str) -> bool:
        return "properties" in schema or "allOf" in schema or name in additions.PROPERTIES

    def _object(self, schema: Json, name: str) -> Json:
        # What an object property refers to may be null: Microsoft's file says so for scalars only.
        properties = {
            key: self.close(each, nullable="$ref" in each) for key, each in self._properties(schema, name).items()
        }
        required = [*schema.get("required", ()), *additions.REQUIRED.get(name, ())]
        return {"type": "object", "properties": properties, "required": required, "x-closed": name}

    def _properties(self, schema: Json, name: str) -> Json:
        found: Json = {}
        for part in schema.get("allOf", ()):
            source = target(part) if "$ref" in part else ""
            found |= self._properties(self._schemas[source] if source else part, source)
        return {**found, **schema.get("properties", {}), **additions.PROPERTIES.get(name, {})}

    def _ancestors(self, name: str) -> Iterator[str]:
        for part in self._schemas[name].get("allOf", ()):
            if "$ref" in part:
                yield target(part)
                yield from self._ancestors(target(part))

    def _outermost(self, closed: Json) -> Json:
        properties = closed["properties"] | {"@odata.context": additions.CONTEXT}
        if _is_list(closed):
            properties |= additions.COLLECTION
            closed = closed | {"required": [*closed["required"], "value"]}
        if _DELTA in properties:
            changed = dict(properties["value"]["items"])
            changed["properties"] = changed["properties"] | {"@removed": additions.REMOVED}
            properties |= {_DELTA: additions.DELTA_LINK, "value": {"type": "array", "items": changed}}
            closed = closed | {"x-either": [_NEXT, _DELTA]}
        return closed | {"properties": properties}


def _is_list(closed: Json) -> bool:
    return bool(closed.get("properties", {}).get("value", {}).get("type") == "array")


def _with_ids(closed: Json) -> Json:
    """A closed schema whose entities, or those in its list, have an `id`."""
    if "x-derived" in closed:
        return closed | {"x-derived": {name: _with_ids(each) for name, each in closed["x-derived"].items()}}
    if _is_list(closed):
        value = closed["properties"]["value"]
        listed = value | {"items": _with_ids(value["items"])}
        return closed | {"properties": closed["properties"] | {"value": listed}}
    if is_entity(closed):
        return closed | {"required": [*closed["required"], "id"]}
    return dict(closed)


def is_entity(closed: Json) -> bool:
    """Whether a closed schema is that of something with an identity; of a list it is asked about its items."""
    kinds = list(closed["x-derived"].values()) if "x-derived" in closed else [closed]
    return set(additions.ENTITY) <= set(kinds[0].get("properties", {}))


def target(schema: Json) -> str:
    """The name that a `$ref` ends with."""
    return str(schema["$ref"]).rpartition("/")[2]


def _closed(validator: Any, kind: str, instance: Any, schema: Json) -> Iterator[ValidationError]:
    """The keyword `x-closed`: no property but those declared, and annotations of those."""
    if not isinstance(instance, dict):
        return
    declared = schema["properties"]
    for name in instance:
        of, _sign, annotation = name.partition("@")
        if name in declared:
            continue
        if of in declared and annotation in additions.OF_PROPERTY:
            yield from validator.descend(instance[name], additions.OF_PROPERTY[annotation], path=name)
        else:
            yield ValidationError(f"Microsoft has no {name!r} in {kind}")


def _derived(validator: Any, kinds: Json, instance: Any, _: Json) -> Iterator[ValidationError]:
    """The keyword `x-derived`: `@odata.type` says which of the schemas counts."""
    if not isinstance(instance, dict):
        return
    kind = instance.get("@odata.type")
    if isinstance(kind, str) and kind in kinds:
        yield from validator.descend(instance, kinds[kind])
    else:
        yield ValidationError(f"@odata.type is {kind!r} and must be one of {', '.join(sorted(kinds))}")


def _either(_: Any, names: list[str], instance: Any, _schema: Json) -> Iterator[ValidationError]:
    """The keyword `x-either`: one of these properties, and only one."""
    if isinstance(instance, dict) and len(instance.keys() & set(names)) != 1:
        yield ValidationError(f"there must be either {' or '.join(names)}")


def _is_base64(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _formats() -> FormatChecker:
    formats = FormatChecker()
    formats.checkers = oas30_format_checker.checkers | {
        # The file says base64url for Edm.Binary; what Graph sends is the usual alphabet with its padding.
        "base64url": (_is_base64, ()),
    }
    del formats.checkers["time"]  # It asks for a time zone; Edm.TimeOfDay has none. The file's pattern judges.
    return formats


FORMATS: Final = _formats()
"""The formats of the file."""

ClosedValidator: Final[Any] = extend(OAS30Validator, {"x-closed": _closed, "x-derived": _derived, "x-either": _either})
"""OpenAPI 3.0 and our keywords."""
