"""JSON in requests, read as strictly as Graph's OData library reads it: types and names must fit the model."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.payload import LONGEST, UNREADABLE, check_encoding, check_names, parse_json
from pillarbox.emulator.http import Call
from pillarbox.emulator.mail.headers import clean


def read_object(call: Call) -> dict[str, Any]:
    """The JSON object that the body of a request holds."""
    check_encoding(call)
    if call.content_type != "application/json":
        raise GraphError("UnsupportedMediaType")
    try:
        fields = parse_json(call.body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise GraphError("BadRequest", "Unable to read JSON request payload.")
    return fields


def read_parameters(call: Call, action: str, *known: str) -> dict[str, Any]:
    """The parameters of an action, by their names in lower case: SDKs send `Message`, the documents say `message`."""
    fields = read_object(call)
    check_names(name.lower() for name in fields)
    for name in fields:
        if name.lower() not in known and not is_annotation(name):
            shown = _repeated(name)
            text = f"The parameter '{shown}' in the request payload is not a valid parameter for the operation "
            raise GraphError(UNREADABLE, f"{text}'{action}'.", gap=f"parameter {shown}")
    return {name.lower(): value for name, value in fields.items()}


def is_annotation(name: str) -> bool:
    """Whether that is about the object or a property (`@odata.type`, `from@odata.type`), and not a property."""
    return "@" in name


def record(value: Any, kind: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a type, without annotations; a property that the type does not have is refused, letter case too."""
    if not isinstance(value, dict):
        _unexpected("StartArray" if isinstance(value, list) else "PrimitiveValue", "StartObject")
    if type_of(value, kind) != kind.lower():
        unknown_type(value["@odata.type"])
    for name in value:
        if name not in known and not is_annotation(name):
            shown = _repeated(name)
            text = f"The property '{shown}' does not exist on type '{kind}'. Make sure to only use property names "
            text += "that are defined by the type or mark the type as open type."
            raise GraphError(UNREADABLE, text, gap=f"property {shown} of {kind}")
    return {name: each for name, each in value.items() if not is_annotation(name)}


def unknown_type(name: Any) -> NoReturn:
    """Refuse an `@odata.type` that Graph does not know, or not there."""
    shown = _repeated(name)
    text = f"A type named '{shown}' could not be resolved by the model. When a model is available, each "
    raise GraphError(UNREADABLE, text + "type name must resolve to a valid type.", gap=f"type {shown}")


def items(value: Any) -> list[Any]:
    """A collection; null is refused, as OData has no collection that is null."""
    if not isinstance(value, list):
        _unexpected("StartObject" if isinstance(value, dict) else "PrimitiveValue", "StartArray")
    return value


def string(value: Any, name: str) -> str:
    """A string; null is the empty one."""
    if value is None:
        return ""
    _primitive(value, name)
    if not isinstance(value, str):
        text = f"Cannot read the value '{json.dumps(value)}' for the property '{name}' as a quoted JSON string value."
        raise GraphError(UNREADABLE, text)
    return clean(value)


def boolean(value: Any, name: str) -> bool:
    """True or false, and nothing else."""
    _primitive(value, name)
    _not_null(value, name, "Edm.Boolean")
    if not isinstance(value, bool):
        _literal(value, "Edm.Boolean")
    return value


def integer(value: Any, name: str, bits: int = 64) -> int:
    """A whole number (Edm.Int64, or Edm.Int32 with 32 bits)."""
    kind = f"Edm.Int{bits}"
    _primitive(value, name)
    _not_null(value, name, kind)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        _literal(value, kind)
    return value


def choice(value: Any, name: str, *words: str) -> str:
    """One of the members of an enumeration, in whatever case, in its own spelling."""
    word = string(value, name)
    for each in words:
        if each.lower() == word.lower():
            return each
    raise GraphError(UNREADABLE, f"Requested value '{word[:LONGEST]}' was not found.")


def binary(value: Any, name: str) -> bytes:
    """Bytes in base64 (Edm.Binary)."""
    text = string(value, name)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        _literal(text[:40], "Edm.Binary")


def moment(value: Any, name: str) -> str:
    """A time as a string that a person's calendar can read (ISO 8601)."""
    text = string(value, name)
    try:
        # Graph gives seven digits after the dot, Python reads six.
        datetime.fromisoformat(text.partition(".")[0].removesuffix("Z"))
    except ValueError:
        _literal(text, "Edm.DateTimeOffset")
    return text


def type_of(value: Any, default: str = "") -> str:
    """The `@odata.type` of an object in lower case, without its `#`; the default if it has none, empty if it is odd."""
    named = value.get("@odata.type", default) if isinstance(value, dict) else default
    return named.removeprefix("#").lower() if isinstance(named, str) else ""


def _repeated(name: Any) -> str:
    """What a refusal repeats of a name; of anything else nothing, it may be nested deep."""
    return clean(name)[:LONGEST] if isinstance(name, str) else ""


def _primitive(value: Any, name: str) -> None:
    if isinstance(value, (dict, list)):
        found = "StartArray" if isinstance(value, list) else "StartObject"
        text = f"An unexpected '{found}' node was found for property named '{name}' when reading from the JSON reader. "
        raise GraphError(UNREADABLE, text + "A 'PrimitiveValue' node was expected.")


def _unexpected(found: str, expected: str) -> NoReturn:
    text = (
        f"An unexpected '{found}' node was found when reading from the JSON reader. A '{expected}' node was expected."
    )
    raise GraphError(UNREADABLE, text)


def _not_null(value: Any, name: str, kind: str) -> None:
    if value is None:
        expected = f"the expected type '{kind}[Nullable=False]'"
        text = f"A null value was found for the property named '{name}', which has {expected}. T{expected[1:]} does "
        raise GraphError(UNREADABLE, text + "not allow null values.")


def _literal(value: Any, kind: str) -> NoReturn:
    shown = (value if isinstance(value, str) else json.dumps(value))[:LONGEST]
    raise GraphError(UNREADABLE, f"Cannot convert the literal '{shown}' to the expected type '{kind}'.")
