"""The OpenAPI document, and the same as a page to read: made here, with no script, and nothing from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Annotated, Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response

from pillarbox.core.caller import Caller
from pillarbox.endpoints.api import openapi
from pillarbox.endpoints.api.access import ANY_CALLER
from pillarbox.endpoints.api.openapi import PREFIX

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --accent: #7db8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 0 1.5rem 4rem; font: 1rem/1.55 system-ui, sans-serif; }
a { color: var(--accent); }
h1 { margin: 2rem 0 0; }
h2 { margin: 3rem 0 1rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line); }
code, .path { font: .92em ui-monospace, monospace; overflow-wrap: anywhere; }
nav { columns: 13rem; margin: 1.5rem 0; }
nav a { display: block; }
details { margin: .5rem 0; border: 1px solid var(--line); border-radius: .4rem; }
summary { padding: .5rem .8rem; cursor: pointer; display: flex; flex-wrap: wrap; gap: .2rem .8rem; }
details[open] > summary { border-bottom: 1px solid var(--line); background: var(--soft); }
details > div { padding: .2rem .8rem .8rem; }
.method { font: 700 .8rem ui-monospace, monospace; min-width: 4rem; color: var(--accent); }
.what { flex: 1 1 100%; padding-left: 4.8rem; opacity: .85; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
@media (max-width: 40rem) { .what { padding-left: 0; } body { padding: 0 .8rem 3rem; } }
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_CODE: Final = re.compile("`([^`]*)`")
_NAME: Final = re.compile("<code>([A-Za-z]+)</code>")
_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "null": "null",
    "boolean": "true or false",
}
_LIMITS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} items",
    "default": "default {}",
}
_Anybody = Annotated[Caller, ANY_CALLER]
DOCUMENT: Final = "openapi.json"
"""The file beside this one that holds the document; a change of the API shows in it."""


def add(app: FastAPI) -> None:
    """The routes, for every caller."""

    @app.get(PREFIX + "openapi.json", response_class=JSONResponse, response_model=dict[str, Any])
    async def openapi_document(_caller: _Anybody) -> Response:
        """This API as an OpenAPI 3.1 document."""
        return Response(written(app), media_type="application/json")

    @app.get(PREFIX + "reference", response_class=HTMLResponse)
    async def show_reference(_caller: _Anybody) -> HTMLResponse:
        """This API as a page to read."""
        return HTMLResponse(page(json.loads(written(app))), headers={"Content-Security-Policy": _POLICY})


def written(app: FastAPI) -> bytes:
    """The document as `make docs` wrote it, with the addresses at which this service is found.

    Made anew, or read, it would cost a service six megabytes for as long as it runs.
    """
    document = resources.files(__package__).joinpath(DOCUMENT).read_bytes()
    servers = f'{{"servers": {json.dumps(app.servers)},'.encode() if app.servers else b"{"
    return servers + document.removeprefix(b"{")


def type_words(schema: Mapping[str, Any]) -> str:
    """What a schema takes, in words; names of other schemas stand in backticks. Pure."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(map(type_words, several))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{one}`" for one in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {type_words(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        named = "".join(f"`{name}`: {type_words(one)}, and " for name, one in schema.get("properties", {}).items())
        return f"{named}map of text to {type_words(schema['additionalProperties'])}"
    limits = [words.format(_word(schema[name])) for name, words in _LIMITS.items() if schema.get(name) is not None]
    return ", ".join([_WORDS.get(kind, kind), *limits])


def _word(value: object) -> str:
    """A value as JSON has it; round numbers without a point."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else json.dumps(value)


def caller_words(call: Mapping[str, Any]) -> str:
    """Who may make a call. Pure."""
    security = call.get("security", ())
    if not security:
        return "For everybody."
    match next(iter(security[0].values())):
        case []:
            return "For every caller."
        case [openapi.LOCAL]:
            return "For the local socket alone."
        case [openapi.PERSON]:
            return "For whoever is signed in."
        case scopes:
            return "Needs " + ", ".join(f"`{scope}`" for scope in scopes) + "."


def page(document: Mapping[str, Any]) -> str:
    """The whole document as a page. Pure."""
    calls = sorted(_calls(document), key=lambda call: call[0])
    tags = list(dict.fromkeys(tag for tag, *_ in calls))
    schemas = document["components"]["schemas"]
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in [*tags, "shapes"])
    parts = [f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pillarbox API</title><style>{_STYLE}']
    parts.append('</style><meta name="viewport" content="width=device-width, initial-scale=1"></head><body>')
    parts.append(f"<h1>Pillarbox API</h1><p>Version {escape(document['info']['version'])}. ")
    parts.append('The same for programs: <a href="openapi.json">openapi.json</a>. Errors are ')
    parts.append('<a href="#Problem">problems</a> (RFC 9457); times are seconds since 1970, UTC.</p>')
    parts.append(f"<nav>{links}</nav><main>")
    for tag in tags:
        parts.append(f'<section><h2 id="{escape(tag)}">{escape(tag)}</h2>')
        parts += [_call(path, method, call) for its, path, method, call in calls if its == tag]
        parts.append("</section>")
    parts.append('<section><h2 id="shapes">shapes</h2>')
    parts += [_shape(name, schemas[name]) for name in sorted(schemas)]
    text = "".join([*parts, "</section></main></body></html>"])
    return _NAME.sub(lambda found: f'<a href="#{found[1]}">{found[0]}</a>' if found[1] in schemas else found[0], text)


def _calls(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((call["tags"][0], path, method, call) for method, call in methods.items())


def _call(path: str, method: str, call: Mapping[str, Any]) -> str:
    parameters = [
        (
            _text(f"`{one['name']}`"),
            one["in"] + (", needed" if one.get("required") else ""),
            _text(type_words(one["schema"])),
            _text(one.get("description", "")),
        )
        for one in call.get("parameters", ())
    ]
    takes = [(_text(f"`{kind}`"), _of(one)) for kind, one in call.get("requestBody", {}).get("content", {}).items()]
    gives = [
        (escape(status), _text(answer.get("description", "")), ", ".join(map(_of, answer.get("content", {}).values())))
        for status, answer in call["responses"].items()
    ]
    what, _, more = call.get("description", call["summary"]).partition("\n\n")
    return (
        f'<details id="{escape(call["operationId"])}"><summary><span class="method">{method.upper()}</span>'
        f'<span class="path">{escape(path)}</span><span class="what">{_text(what)}</span></summary><div>'
        + (f"<p>{_text(more)}</p>" if more else "")
        + f"<p>{_text(caller_words(call))}</p>"
        + _table(("parameter", "where", "type", "meaning"), parameters)
        + _table(("takes", "as"), takes)
        + _table(("gives", "which is", "as"), gives)
        + "</div></details>"
    )


def _of(content: Mapping[str, Any]) -> str:
    return _text(type_words(content["schema"])) if content.get("schema") else "as it is"


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = [
        (_text(f"`{field}`"), _text(type_words(one)), "always" if field in needed else "")
        for field, one in schema.get("properties", {}).items()
    ]
    told = "".join(f"<p>{_text(part)}</p>" for part in schema.get("description", "").split("\n\n") if part)
    kind = "" if rows else f"<p>{_text(type_words(schema))}</p>"
    return (
        f'<details id="{escape(name)}"><summary><span class="path">{escape(name)}</span></summary>'
        f"<div>{told}{kind}{_table(('field', 'type', ''), rows)}</div></details>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    if not rows:
        return ""
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return f'<div class="table"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def _text(text: str) -> str:
    """Words with backticks, as HTML."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
