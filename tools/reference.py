"""Write docs/reference, and the OpenAPI document that a service serves, from the program itself.

`--check` writes nothing: it exits 1 and names the page and the first name that is missing or too many, or the setting,
error code, command or option that nobody described. The pages do not depend on machine, user or terminal.
"""

import argparse
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import click
from fastapi import FastAPI
from pydantic.fields import FieldInfo

from pillarbox.access.audit import ELSEWHERE
from pillarbox.cli.root import root
from pillarbox.core import catalogue
from pillarbox.core.log import EVENTS
from pillarbox.core.places import ENV_PREFIX
from pillarbox.core.settings import Door, Settings, describe
from pillarbox.core.vault import Secret
from pillarbox.emulator import World, control, seed_file
from pillarbox.emulator.fault import Fault
from pillarbox.emulator.switches import switches
from pillarbox.emulator.world.limits import Limits
from pillarbox.endpoints.api import app as api
from pillarbox.endpoints.api import reference_page
from pillarbox.endpoints.api.audited import AuditedRoute
from pillarbox.endpoints.api.reference_page import caller_words, type_words
from pillarbox.store.events import FIELDS, TYPES

_ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = _ROOT / "docs" / "reference"
_DOCUMENT: Final = Path(reference_page.__file__).with_name(reference_page.DOCUMENT)
_MADE: Final = "<!-- Written by tools/reference.py (`make docs`). Do not edit: change the code and write it anew. -->"
_NAME: Final = re.compile(r"^(?:\| |#+ )`([^`]+)`")

EXITS: Final = {
    0: "ok",
    1: "failure: the thing could not be done",
    2: "usage: a wrong option, argument or value",
    3: "not found",
    4: "authentication: a name, password or token was refused",
    5: "permission: it is known who asks, and it may not do this",
    6: "held: the message waits for a person",
    75: "temporary: the same command may work later",
    78: "configuration: a setting, a file or the store",
    130: "interrupted (Ctrl-C)",
}

_DEFAULTS_IN_WORDS: Final = {
    "state_dir": "root: `/var/lib/pillarbox`; others: `$XDG_STATE_HOME/pillarbox`, or `~/.local/state/pillarbox`, "
    "or without a home folder `/var/lib/pillarbox`",
    "socket": "root: `/run/pillarbox/api.sock`; others: `$XDG_RUNTIME_DIR/pillarbox/api.sock`, "
    "or `/tmp/pillarbox-UID/api.sock`",
}
"""Defaults that depend on who runs the program (core/places.py)."""


def main() -> int:
    """Write or check the pages; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/reference from the program.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args().check
    complaints = [
        f"{what} has no description" for what in _undescribed(describe(), catalogue.entries(), _commands(), EVENTS)
    ]
    for file, text in [*((FOLDER / name, page()) for name, page in PAGES.items()), (_DOCUMENT, _written(document()))]:
        if check:
            complaints += _difference(file, text)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    for complaint in complaints:
        print(f"tools/reference.py: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _difference(file: Path, wanted: str) -> list[str]:
    """What is wrong with a page, in one line; nothing if it is right."""
    found = file.read_text("utf-8") if file.exists() else ""
    if found == wanted:
        return []
    has, needs = _names(found), _names(wanted)
    if missing := [name for name in needs if name not in has]:
        what = f"{missing[0]} is missing"
    elif extra := [name for name in has if name not in needs]:
        what = f"{extra[0]} is no longer there"
    else:
        what = f"line {_first_different_line(found, wanted)} is out of date"
    return [f"{file.name}: {what}; `make docs` writes it anew"]


def _names(text: str) -> list[str]:
    return [match[1] for line in text.splitlines() if (match := _NAME.match(line))]


def _first_different_line(found: str, wanted: str) -> int:
    pairs = zip(found.splitlines(), wanted.splitlines(), strict=False)
    same = 0
    for one, other in pairs:
        if one != other:
            break
        same += 1
    return same + 1


def _undescribed(
    settings: Iterable[tuple[str, FieldInfo]],
    entries: Mapping[str, catalogue.Entry],
    commands: Iterable[tuple[str, click.Command]],
    events: Mapping[str, str],
) -> Iterator[str]:
    """What somebody forgot to describe."""
    for key, field in settings:
        if not field.description:
            yield f"the setting {key}"
        if field.default_factory is not None and key not in _DEFAULTS_IN_WORDS:
            yield f"the default of the setting {key}"
    for code, entry in entries.items():
        if not entry.sentence:
            yield f"the error code {code}"
        if entry.exit not in EXITS:
            yield f"exit code {entry.exit} of the error code {code}"
    for path, command in commands:
        if not command.help:
            yield f"the command `{path}`"
        for option in _options(command):
            if not option.help:
                yield f"the option {option.opts[0]} of `{path}`"
    yield from (f"the log event {name}" for name, meaning in events.items() if not meaning)


# ---- text


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", _MADE, *(part.strip("\n") for part in parts if part)]) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


# ---- settings.md


def settings_page() -> str:
    """Every setting: key, type, default, meaning, its environment variable and its flag."""
    sections: dict[str, list[tuple[str, FieldInfo]]] = {"": []}
    for key, field in describe():
        sections.setdefault(key.rpartition(".")[0], []).append((key, field))
    parts = [
        "A value comes from the last of these layers that sets it: the default, the settings file `pillarbox.toml`, "
        "the environment, `--set` on the command line. `pillarbox config show` shows every value and where it comes "
        "from; `pillarbox config check` says in one line what is wrong.",
        "The file is the one that `--config` names, else `PILLARBOX_CONFIG`, else "
        "`~/.config/pillarbox/pillarbox.toml`, else `/etc/pillarbox/pillarbox.toml`.",
        "A secret can also lie in a file: the variable with `_FILE` behind its name says which. Do not give a secret "
        "by `--set`: every user of the machine can read the command line.",
    ]
    for section, fields in sections.items():
        parts.append(_section_heading(section))
        parts.append(_table(["key", "type", "default", "meaning"], (_setting(key, field) for key, field in fields)))
        parts.append(_table(["environment", "flag"], (_ways(key, field) for key, field in fields)))
    return _page("Settings", *parts)


def _section_heading(section: str) -> str:
    if not section:
        return "## Top level"
    model: Any = Settings
    for name in section.split("."):
        model = model.model_fields[name].annotation
    return f"## [{section}]\n\n{inspect.getdoc(model)}"


def _setting(key: str, field: FieldInfo) -> tuple[str, str, str, str]:
    return _code(key), _setting_type(field), _setting_default(key, field), field.description or ""


def _ways(key: str, field: FieldInfo) -> tuple[str, str]:
    variable = ENV_PREFIX + key.upper().replace(".", "__")
    if field.annotation == dict[str, Door]:
        return _code(f"{variable}__NAME__KEY"), _code(f"--set {key}.NAME.KEY=VALUE")
    if field.annotation is Secret:
        return f"`{variable}`, `{variable}_FILE`", "by file or environment only"
    return _code(variable), _code(f"--set {key}=VALUE")


def _setting_type(field: FieldInfo) -> str:
    words: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    words |= {
        Secret: "secret",
        tuple[str, ...]: "list, also a text with commas",
        tuple[float, ...]: "list of numbers, also a text with commas",
        dict[str, Door]: "tables",
    }
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(_code(str(one)) for one in get_args(annotation))
    return ", ".join([words[annotation], *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    signs = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    for rule in field.metadata:
        yield from (f"{word} {getattr(rule, name)}" for name, word in signs.items() if hasattr(rule, name))


def _setting_default(key: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        return _DEFAULTS_IN_WORDS.get(key, "")
    default = field.default
    return "none" if (not default and default not in (0, False)) or isinstance(default, Secret) else _code(str(default))


# ---- errors.md


def errors_page() -> str:
    """Every error code, and the exit codes."""
    rows = (
        (
            _code(entry.code),
            entry.sentence,
            entry.cure,
            "yes" if entry.retry else "no",
            f"{_code(entry.smtp)} {entry.reply}".strip(),
            _code(entry.dsn) if entry.dsn else "",
            _code(str(entry.http)),
            _code(str(entry.exit)),
        )
        for entry in catalogue.entries().values()
    )
    return _page(
        "Errors",
        "One catalogue for every door: `src/pillarbox/core/catalogue/errors.toml`. The code is stable and is what a "
        "program looks at; sentence and cure are for people. Words in braces are filled in. `retry` says whether the "
        "same thing may work later without a change. Behind the number at `SMTP` stands what a client is told, where "
        "that is not the sentence.",
        "`cause.*` is why an attempt to send ended as it did. While it is tried again its status is that of `SMTP`, "
        "which a delay warning tells; `bounce` is the one at the end.",
        "An error is shown at the door where it happens; the other doors' numbers stand here because the same error "
        "can happen at several of them.",
        "## Exit codes of commands",
        _table(["code", "meaning"], ((_code(str(code)), meaning) for code, meaning in EXITS.items())),
        "## Error codes",
        _table(["code", "sentence", "cure", "retry", "SMTP", "bounce", "HTTP", "exit"], rows),
    )


# ---- microsoft-errors.md


def microsoft_errors_page() -> str:
    """Everything of Microsoft's that `pillarbox explain` knows: meaning, cure and who must act."""
    replies = catalogue.replies()
    return _page(
        "What Microsoft's errors mean",
        "`pillarbox explain` finds these in any text, offline. How to add one: "
        "[adding-an-explanation.md](../contributing/adding-an-explanation.md). Quick answers: "
        "[why 401, 403, 535](../how-to/why-401-403-535.md).",
        "Who acts: " + "; ".join(f"`{who}`: {words}" for who, words in catalogue.WHO.items()) + ".",
        "## Entra ID, by number",
        _explained((f"AADSTS{code}", one) for code, one in catalogue.aadsts().items()),
        "## Entra ID, by word",
        "Less is known from these: the number beside the word says more.",
        _explained(catalogue.oauth().items()),
        "## Microsoft Graph",
        "`http_403` and the like: that HTTP status, with a code that is not known or none.",
        _explained(catalogue.graph().items()),
        *(
            f"## Exchange Online, {protocol.upper()}\n\n"
            + _explained((one.explanation.code, one.explanation) for one in replies if one.protocol == protocol)
            for protocol in ("smtp", "imap")
        ),
    )


def _explained(known: Iterable[tuple[str, catalogue.Explanation]]) -> str:
    return _table(
        ["code", "meaning", "cure", "who acts", "more"],
        ((_code(code), one.meaning, one.remedy, _code(one.who), _link(one.page)) for code, one in known),
    )


def _link(page: str) -> str:
    """A page of docs/, from docs/reference."""
    name = page.partition("#")[0].rpartition("/")[2].removesuffix(".md")
    return f"[{name}](../{page.removeprefix('docs/')})"


# ---- commands.md


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = [
        "Every command has `--help` (or `-h`). `pillarbox --version` prints the version. The exit codes stand in "
        "[errors.md](errors.md). On a terminal lists are tables; in a pipe they are lines with tabs and no header.",
        "Where an option `--socket` exists, the command asks the running service on its local socket. When no service "
        "runs, and `--socket` was not given, it opens the store itself.",
    ]
    for path, command in _commands():
        parts.append(f"## `{path}`")
        parts.append(inspect.cleandoc(command.help or ""))
        if isinstance(command, click.Group):
            parts.append("Commands: " + ", ".join(_code(f"{path} {name}") for name in _children(command)))
            continue
        parts.append(_code(" ".join([path, *_argument_words(command), "[OPTIONS]"])))
        parts.append(_table(["option", "takes", "default", "meaning"], map(_option, _options(command))))
    return _page("Commands", *parts)


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Every command below `pillarbox`, depth first."""
    waiting: list[tuple[str, click.Command]] = [("pillarbox", root)]
    while waiting:
        path, command = waiting.pop(0)
        if command is not root:
            yield path, command
        if isinstance(command, click.Group):
            children = _children(command)
            waiting[:0] = [(f"{path} {name}", child) for name, child in children.items()]


def _children(group: click.Group) -> Mapping[str, click.Command]:
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _argument_words(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            yield parameter.metavar or (parameter.name or "").upper()


def _option(option: click.Option) -> tuple[str, str, str, str]:
    takes = "" if option.is_flag else option.metavar or _kind(option.type)
    shown = str(option.default) if option.show_default and not option.is_flag else ""
    meaning = f"{option.help or ''}{' Required.' if option.required else ''}".strip()
    return ", ".join(map(_code, option.opts)), takes, _code(shown), meaning


def _kind(kind: click.ParamType[Any]) -> str:
    if isinstance(kind, click.Choice):
        return "one of " + ", ".join(_code(str(choice)) for choice in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        least, most = kind.min, kind.max
        limits = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (most is not None)
        return ", ".join(["whole number" if isinstance(kind, click.IntRange) else "number", *limits])
    if isinstance(kind, click.Path | click.File):
        return "path"
    return "text"


# ---- log.md


def log_page() -> str:
    """Every event of the log."""
    return _page(
        "Log",
        "`pillarbox serve` writes its log to standard error, one line per event: `time`, `level`, `event`, and the "
        'values of the event, as `key=value` pairs or, with `log.format = "json"`, as one JSON object. A message\'s '
        "queue id is in every line about it (`id`), so that one search shows its whole way. Secrets, message texts "
        "and request bodies are never written.",
        _table(["event", "meaning"], ((_code(name), meaning) for name, meaning in EVENTS.items())),
    )


# ---- events.md


def events_page() -> str:
    """Every type of event of the feed."""
    return _page(
        "Events",
        "What `GET /api/v1/events` and `pillarbox events` tell ([how](../how-to/follow-events.md)).",
        "More types, and more data, may come with a new version: a program passes over what it does not know.",
        _table(
            ["type", "meaning", "data"],
            ((_code(name), type.meaning, ", ".join(map(_code, type.data))) for name, type in TYPES.items()),
        ),
        "What stands in `data`:",
        _table(["name", "type", "meaning"], ((_code(name), kind, meaning) for name, (kind, meaning) in FIELDS.items())),
    )


# ---- audit.md


def audit_page() -> str:
    """Every action of the audit log."""
    calls = {
        route.name: (_first_line(route.description), f"{min(route.methods or ())} {route.path}")
        for route in _api().routes
        if isinstance(route, AuditedRoute) and route.is_audited
    }
    actions = calls | {name: (meaning, "") for name, meaning in ELSEWHERE.items()}
    return _page(
        "Audit log",
        "The actions that `pillarbox audit list` and `GET /api/v1/audit-events` tell "
        "([how](../how-to/audit.md)). A name stays; more may come with a new version.",
        _table(
            ["action", "meaning", "call"],
            ((_code(n), m, _code(c) if c else "") for n, (m, c) in sorted(actions.items())),
        ),
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


# ---- api.md


def api_page() -> str:
    """Every call of the API, and the shapes that it takes and gives."""
    told = document()
    parts = [
        "Two doors serve this API. At the HTTP listener (`http.listen`) a caller has a [key](../how-to/api-keys.md) or "
        'is a person who has [signed in](../how-to/people.md): `curl -H "Authorization: Bearer '
        '$PILLARBOX_API_KEY" $PILLARBOX_URL/api/v1/status`. At the local socket its owner and root may do all: '
        "`curl --unix-socket PATH_OF_THE_SOCKET http://pillarbox/api/v1/status`. The service itself shows what it "
        "takes at `/api/v1/reference`, and as an OpenAPI document at `/api/v1/openapi.json`, to callers alone: fetch "
        "the page by `curl` as above.",
        "Each call says which scope it needs. What a key with a list of mailboxes does not know of is not there: 404, "
        "as for what never was. A parameter of the query that a call does not know is refused (422), and so is one "
        "that stands twice and is no list. HEAD is taken wherever GET is. In a path a name is percent-encoded, a slash "
        "in it as `%2F`.",
        "Every error is a `Problem` as `application/problem+json` (RFC 9457); the codes stand in "
        "[errors.md](errors.md), and `type` is `urn:problem-type:pillarbox:CODE`. Times are seconds since 1970, UTC.",
        "Every answer to a request that could be read has an `X-Request-Id`: the client's own, where it sends one (1 "
        "to 128 of `A-Za-z0-9._-`), or one that is made. The lines of the log about the request bear it as `request`, "
        "and the audit log does. Of a "
        "`traceparent` (W3C Trace Context) the lines bear the trace id as `trace`; that of a message shows all of it.",
        "JSON is I-JSON (RFC 7493) in UTF-8: a name that stands twice in an object, NaN, a whole number beyond "
        "2^53 - 1, half a character, and more than 64 levels are refused (400).",
        "Lists come in pages: `limit` (1 to 500, else 50), and `cursor`, which is `next` of the page before as it is. "
        "A page may be short although more follow: the end is where `next` is null. The field `Link` "
        "leads to the next page, too.",
        "What can be changed has an `ETag`. A change with `If-Match` is made only if nobody has changed the settings "
        "of the thing since (412 else); what changes by itself, such as a pause, does not count. `If-None-Match` gives "
        "304 where all of it is as it was.",
        "`Idempotency-Key` is for `POST /api/v1/sends` alone, where repeating would send twice. Elsewhere the field "
        "does nothing: what has a name is refused when it is made a second time (409), and an upload or a link that "
        "nobody uses ends by itself.",
        "## Calls",
    ]
    calls = [
        (call["tags"][0], path, method, call)
        for path, methods in told["paths"].items()
        for method, call in methods.items()
    ]
    for tag in sorted({tag for tag, *_ in calls}):
        parts.append(f"### {tag}")
        parts += [_call(path, method, call) for its, path, method, call in calls if its == tag]
    parts.append("## Shapes")
    schemas = told["components"]["schemas"]
    parts += [_shape(name, schemas[name]) for name in sorted(schemas)]
    return _page("API", *parts)


def document() -> dict[str, Any]:
    """The OpenAPI document, which a service serves as it is written here."""
    return _api().openapi()


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


@cache
def _api() -> FastAPI:
    anything: Any = _Anything()  # What the services do matters when a route is called, not when it is made.
    return api.build(api.Services(**dict.fromkeys(api.Services.__dataclass_fields__, anything)))


class _Anything:
    """In the place of a service that nobody calls."""

    def __getattr__(self, name: str) -> "_Anything":
        return self

    def __call__(self, *_given: object, **_named: object) -> "_Anything":
        return self


def _call(path: str, method: str, call: Mapping[str, Any]) -> str:
    what = inspect.cleandoc(call.get("description", call["summary"]))
    parts = [f"#### `{method.upper()} {path}`", what, caller_words(call)]
    rows = [
        (_code(one["name"]), one["in"], type_words(one["schema"]), one.get("description", ""))
        for one in call.get("parameters", [])
    ]
    if rows:
        parts.append(_table(["parameter", "in", "type", "meaning"], rows))
    body = call.get("requestBody", {}).get("content", {})
    parts += [f"Takes `{kind}`{_of(content)}." for kind, content in body.items()]
    problems = []
    for status, answer in call["responses"].items():
        if status >= "4":
            problems.append(status)
            continue
        gives = [f"`{kind}`{_of(content)}" for kind, content in answer.get("content", {}).items()]
        parts.append(f"Gives {', '.join([status, *gives])}.")
    return "\n\n".join([*parts, f"Problems: {', '.join(problems)}."])


def _of(content: Mapping[str, Any]) -> str:
    return f": {type_words(content['schema'])}" if content.get("schema") else ""


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", [])
    rows = (
        (_code(field), type_words(one), "yes" if field in needed else "no")
        for field, one in schema.get("properties", {}).items()
    )
    parts = [f"### `{name}`", inspect.cleandoc(schema.get("description", ""))]
    if "enum" in schema:
        parts.append("One of " + ", ".join(_code(one) for one in schema["enum"]) + ".")
    else:
        parts.append(_table(["field", "type", "required"], rows))
    return "\n\n".join(filter(None, parts))


# ---- emulator.md


def emulator_page() -> str:
    """Fault rules, switches, limits, the control API and the seed file of the emulator, from their own docstrings."""
    world = World()
    meanings = dict(re.findall(r"^`(\w+)`: (.+)$", inspect.getdoc(World) or "", re.MULTILINE))
    standing, hints = switches(world), get_type_hints(Fault)
    parts = [
        "How it is used: [how-to/emulator.md](../how-to/emulator.md). The command and its options: "
        "[commands.md](commands.md).",
        "## Fault rules",
        "A rule file (`--faults`) has `[[fault]]` tables with these keys, and may have `[switches]` and `[limits]`, "
        "in which `false` stands for no limit. The control API takes the same as JSON.",
        _paragraphs(Fault),
        _table(["key", "type", "default"], (_fault_key(each, hints) for each in dataclasses.fields(Fault))),
        "## Switches",
        _table(
            ["switch", "default", "meaning"],
            ([_code(name), _code(_toml(value)), meanings.get(name, "")] for name, value in standing.items()),
        ),
        "## Limits",
        _paragraphs(Limits),
        _table(["limit", "default"], ([_code(name), str(number)] for name, number in world.limits.numbers().items())),
        "## Control API",
        _below_heading(control, "/_emulator/"),
        "## Seed file",
        _below_heading(seed_file, ""),
    ]
    return _page("The emulator: rules, switches, control API, seed file", *parts)


def _paragraphs(thing: object) -> str:
    """A docstring after its first line."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[2]


def _below_heading(module: ModuleType, prefix: str) -> str:
    """A module's docstring after its first line, with this prefix before the paths in its table."""
    text = _paragraphs(module)
    return re.sub(r"`(GET|POST|PUT|DELETE) ([\w/{}-]+)`", rf"`\1 {prefix}\2`", text)


_FAULT_TYPES: Final = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _fault_key(field: "dataclasses.Field[Any]", hints: Mapping[str, Any]) -> tuple[str, str, str]:
    kind: Any = hints[field.name]
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is Literal:
        words = " or ".join(_code(str(one)) for one in get_args(kind))
    else:
        words = _FAULT_TYPES.get(kind, "table")
    known = field.default not in (None, dataclasses.MISSING)
    return _code(field.name), words, _code(_toml(field.default)) if known else ""


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "microsoft-errors.md": microsoft_errors_page,
    "commands.md": commands_page,
    "log.md": log_page,
    "events.md": events_page,
    "audit.md": audit_page,
    "api.md": api_page,
    "emulator.md": emulator_page,
}


if __name__ == "__main__":
    sys.exit(main())
