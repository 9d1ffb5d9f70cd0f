"""The front of the HTTP listener: where each request goes, and what it is told to have come from."""

import io
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from pillarbox.core.caller import LOCAL, Caller
from pillarbox.core.log import make_logger
from pillarbox.endpoints.api.access import WHO
from pillarbox.endpoints.front import Front, Parts
from pillarbox.endpoints.proxies import Proxies


class Part:
    """An application that remembers its last request, and says a version in its answer; it may ask who asks."""

    def __init__(self, *, asks: bool = False) -> None:
        self.asks = asks
        self.scope: Scope = {}
        self.mistake: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        if self.mistake:
            raise self.mistake
        if self.asks:
            await scope[WHO](Request(scope))
        headers = [(b"Pillarbox-Version", b"1"), (b"Cache-Control", b"max-age=1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


async def anybody(_request: Request) -> Caller:
    return LOCAL


class Desk:
    """A front with three parts."""

    def __init__(self, prefix: str = "", *, asks: bool = False) -> None:
        self.api, self.health, self.by_link, self.elsewhere = Part(asks=asks), Part(), Part(), Part()
        parts = Parts(self.api, {"/healthz": self.health}, self.by_link, self.elsewhere, in_clear=("/healthz",))
        self.told: list[tuple[str, str, str]] = []
        self.log = io.StringIO()
        self.front = Front(
            parts,
            anybody,
            Proxies(["192.0.2.0/24"]),
            make_logger(self.log, "info", "text", lambda: 0.0),
            prefix,
            lambda *told: self.told.append(told),
        )

    async def get(
        self, path: str, *, peer: str = "127.0.0.1", scheme: str = "http", method: str = "GET", **fields: str
    ) -> tuple[int, dict[str, str]]:
        """Status and fields of the answer."""
        found: list[Message] = []

        async def send(message: Message) -> None:
            found.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        scope: dict[str, Any] = {"type": "http", "method": method, "scheme": scheme, "client": (peer, 1234)}
        scope |= {"path": unquote(path), "raw_path": path.encode(), "headers": headers, "query_string": b""}
        await self.front(scope, receive, send)
        return found[0]["status"], {name.decode().lower(): value.decode() for name, value in found[0]["headers"]}


@pytest.mark.parametrize(
    ("path", "part", "seen"),
    [
        ("/api/v1/sends", "api", "/api/v1/sends"),
        ("/healthz", "health", "/healthz"),
        ("/gw/api/v1/sends", "api", "/api/v1/sends"),
        ("/gw/signin/done", "by_link", "/signin/done"),
        ("/signin/done", "by_link", "/signin/done"),
        ("/setup/x", "by_link", "/setup/x"),
        ("http://mail.contoso.example/gw/api/v1/sends", "api", "/api/v1/sends"),
        ("HTTPS://mail.contoso.example", "elsewhere", "/"),
        ("/gwen/api", "elsewhere", "/gwen/api"),
        ("/gw", "elsewhere", "/"),
        ("/", "elsewhere", "/"),
        ("/apis", "elsewhere", "/apis"),
        ("/healthz/", "elsewhere", "/healthz/"),
        ("/healthz/x", "elsewhere", "/healthz/x"),
        ("/api", "api", "/api"),
    ],
)
async def test_a_path_goes_to_its_part_with_the_prefix_or_without(path: str, part: str, seen: str) -> None:
    desk = Desk("/gw/")
    await desk.get(path)
    scope = getattr(desk, part).scope
    assert (scope["path"], scope["raw_path"]) == (seen, seen.encode())


@pytest.mark.parametrize("prefix", ["/m%C3%A4il", "/m\u00e4il"])
async def test_the_prefix_may_be_written_as_people_read_it(prefix: str) -> None:
    desk = Desk(prefix)
    await desk.get("/m%C3%A4il/api/v1/sends")
    assert (desk.api.scope["path"], desk.api.scope["raw_path"]) == ("/api/v1/sends", b"/api/v1/sends")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "BREW"])
async def test_health_is_only_read(method: str) -> None:
    desk = Desk()
    status, fields = await desk.get("/healthz", method=method)
    assert (status, fields["allow"], desk.health.scope) == (405, "GET, HEAD", {})


async def test_a_mistake_of_a_part_is_in_the_log_and_not_in_the_answer() -> None:
    desk = Desk()
    desk.health.mistake = RuntimeError("an oversight")
    status, fields = await desk.get("/healthz")
    assert (status, fields["content-type"]) == (500, "application/problem+json")
    assert fields["x-content-type-options"] == "nosniff"
    assert "an oversight" in desk.log.getvalue()
    assert desk.told == [("GET", "/healthz", "500")]


async def test_what_a_proxy_says_is_in_the_scope_of_all_parts() -> None:
    desk = Desk()
    await desk.get("/api/v1/sends", peer="192.0.2.5", x_forwarded_for="203.0.113.9", x_forwarded_proto="https")
    assert (desk.api.scope["client"], desk.api.scope["scheme"]) == (("203.0.113.9", 0), "https")


async def test_what_a_stranger_says_is_not() -> None:
    desk = Desk()
    fields = {"x_forwarded_for": "127.0.0.1", "x_forwarded_proto": "https", "forwarded": "for=127.0.0.1"}
    await desk.get("/api/v1/sends", peer="203.0.113.1", scheme="https", **fields)
    assert desk.api.scope["client"] == ("203.0.113.1", 1234)


@pytest.mark.parametrize(
    ("peer", "scheme", "status"),
    [
        ("127.0.0.1", "http", 200),
        ("::1", "http", 200),
        ("192.0.2.5", "http", 200),
        ("203.0.113.1", "https", 200),
        ("203.0.113.1", "http", 403),
        ("::ffff:203.0.113.1", "http", 403),
    ],
)
async def test_in_clear_only_this_machine_and_trusted_proxies_are_answered(peer: str, scheme: str, status: int) -> None:
    desk = Desk()
    assert (await desk.get("/api/v1/sends", peer=peer, scheme=scheme))[0] == status
    assert bool(desk.api.scope) == (status == 200)


async def test_who_says_that_it_is_encrypted_is_not_believed() -> None:
    fields = {"x_forwarded_proto": "https", "x_forwarded_for": "127.0.0.1"}
    assert (await Desk().get("/api/v1/sends", peer="203.0.113.1", **fields))[0] == 403


async def test_health_is_answered_in_clear_to_anybody() -> None:
    assert (await Desk().get("/healthz", peer="203.0.113.1"))[0] == 200


async def test_all_answers_bear_the_fields_that_keep_browsers_in_bounds() -> None:
    _, fields = await Desk().get("/api/v1/sends")
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["referrer-policy"] == "no-referrer"
    assert fields["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    # What a part says itself stays.
    assert fields["cache-control"] == "max-age=1"


@pytest.mark.parametrize("asks", [True, False])
async def test_the_version_is_told_to_those_alone_who_are_known(asks: bool) -> None:
    _, fields = await Desk(asks=asks).get("/api/v1/sends")
    assert ("pillarbox-version" in fields) == asks


async def test_each_answer_is_counted_by_its_route_and_no_word_of_a_stranger_with_it() -> None:
    desk = Desk()
    await desk.get("/api/v1/scanner@contoso.example")
    await desk.get("/nothing/here", method="BREW")
    await desk.get("/api/v1/sends", peer="203.0.113.1")
    assert desk.told == [("GET", "/api", "200"), ("other", "/", "200"), ("GET", "/api", "403")]
