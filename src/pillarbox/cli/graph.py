"""pillarbox graph: any call of Microsoft Graph, with the token of an app or mailbox."""

import base64
import functools
import http
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

import click

from pillarbox.cli import show
from pillarbox.cli.local import PATIENT, Api, Refused, with_api
from pillarbox.cli.options import holder_options, json_option
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.graph_limits import MOST_SENT


@click.group()
def command() -> None:
    """Any call of Microsoft Graph: /me, /me/messages, /users/NAME@DOMAIN.

    A path is written as in Microsoft's reference. JSON is printed as it came, and laid out at a terminal.
    """


def call_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """PATH, and the options that every verb has."""

    @click.argument("path")
    @holder_options
    @click.option("headers", "--header", multiple=True, metavar="NAME:VALUE", help="Header; may be repeated.")
    @click.option("--beta", is_flag=True, help="Ask below /beta instead of /v1.0.")
    @click.option("-i", "--include", is_flag=True, help="Print status and headers of the answer too.")
    @json_option
    @with_api
    @functools.wraps(command)
    def called(**arguments: Any) -> Any:
        return command(**arguments)

    return called


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data."""
    return click.option(
        "--data", type=click.File("rb"), help="File with the body: JSON, or what --header says; - is standard input."
    )(command)


@command.command()
@click.option("every", "--all", is_flag=True, help="All pages of a collection, as one JSON array.")
@click.option(
    "--max-pages", type=click.IntRange(1), default=1000, show_default=True, help="With --all: so many at most."
)
@call_options
def get(every: bool, max_pages: int, path: str, include: bool, api: Api, **options: Any) -> None:
    """Read PATH."""
    if every and include:
        raise click.UsageError("--all makes one array of all pages: leave -i out")
    if every:
        _all_pages(api, _asked(path, options), max_pages)
    else:
        _call(api, "GET", _asked(path, options), include=include)


@command.command()
@data_option
@call_options
def post(path: str, data: IO[bytes] | None, include: bool, api: Api, **options: Any) -> None:
    """Make something at PATH, or have it done."""
    _call(api, "POST", _asked(path, options), data, include=include)


@command.command()
@data_option
@call_options
def patch(path: str, data: IO[bytes] | None, include: bool, api: Api, **options: Any) -> None:
    """Change what is at PATH."""
    _call(api, "PATCH", _asked(path, options), data, include=include)


@command.command()
@call_options
def delete(path: str, include: bool, api: Api, **options: Any) -> None:
    """Delete what is at PATH."""
    _call(api, "DELETE", _asked(path, options), include=include)


def _asked(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "path": path,
        "app": options["app"],
        "mailbox": options["mailbox"],
        "version": "beta" if options["beta"] else "v1.0",
        "headers": _headers(options["headers"]),
    }


def _headers(texts: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in map(_header, texts):
        if name.lower() in map(str.lower, headers):
            raise click.UsageError(f"--header {name} is given twice: write its values into one, with a comma between")
        headers[name] = value
    return headers


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"--header takes NAME:VALUE, not {text!r}")
    return name.strip(" "), value.strip(" ")


def _call(api: Api, method: str, asked: dict[str, Any], data: IO[bytes] | None = None, *, include: bool) -> None:
    # One byte more than Graph takes: then it is said without reading the rest.
    content = data.read(MOST_SENT + 1) if data else b""
    if len(content) > MOST_SENT:
        raise InvalidInput("graph.data_too_large", limit=MOST_SENT)
    body = base64.b64encode(content).decode()
    answer = api.post("/api/v1/graph", {**asked, "method": method, "body": body}, timeout=PATIENT)
    if include:
        _print_head(answer)
    if include or not answer["refusal"]:
        _print(base64.b64decode(answer["body"]))
    if answer["refusal"]:
        raise Refused(answer["refusal"])


def _all_pages(api: Api, asked: dict[str, Any], pages: int) -> None:
    """One array, written page by page. Where a page fails it stays open, so that it is not taken for the whole."""
    begun = "[\n"
    for _ in range(pages):
        page = api.post("/api/v1/graph:page", asked, timeout=PATIENT)
        for item in page["value"]:
            click.echo(begun + laid_out(item, pretty=sys.stdout.isatty()), nl=False)
            begun = ",\n"
        if page["next"] is None:
            click.echo("\n]" if begun == ",\n" else "[]")
            return
        asked["path"] = page["next"]
    raise PillarboxError("graph.too_many_pages", pages=pages)


def _print_head(answer: Mapping[str, Any]) -> None:
    status = answer["status"]
    phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
    show.line(f"HTTP/1.1 {status} {phrase}".rstrip())
    for name, value in answer["headers"]:
        show.line(f"{name}: {value}")
    click.echo()


def _print(body: bytes) -> None:
    """The bytes as they came; at a terminal, so that a person can read them and nothing in them steers it."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    elif body:
        click.echo(readable(body))


def readable(body: bytes) -> str:
    """JSON laid out, other text line by line, a note in place of what is no text. Pure."""
    try:
        return laid_out(json.loads(body), pretty=True)
    except (ValueError, RecursionError):
        pass
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are no text: send them to a file)"
    return "\n".join(show.plain(line.expandtabs()) for line in lines)


def laid_out(value: object, *, pretty: bool) -> str:
    """A value as JSON. Pure."""
    return show.json_text(value, indent=2 if pretty else None)
