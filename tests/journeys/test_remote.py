"""Commands on a laptop, for a service elsewhere: the same words, over HTTP with a key."""

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.http_door import SENDERS, HttpDoor, http_door
from tests.journeys.test_client import answering
from tests.journeys.test_sign_in import ALICE, Person, at_a_browser
from tests.service import pillarbox

WORDS = ("--from", SENDERS[0], "--to", "alice@contoso.example", "--text", "x", "--wait", "20")


@pytest.fixture
async def door(microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[HttpDoor]:
    async with http_door(microsoft, tmp_path, "admin") as opened:
        yield opened


async def test_commands_do_elsewhere_what_they_do_here(door: HttpDoor, microsoft: Microsoft) -> None:
    code, output, errors = await pillarbox("send", *WORDS, "--json", environ=door.environ)
    assert (code, json.loads(output)["state"], errors) == (0, "sent", "")
    shown = await pillarbox("outbox", "show", json.loads(output)["id"], environ=door.environ)
    (entry,) = microsoft.emulator.ledger.entries
    assert entry.request_id in shown[1]
    key = {"PILLARBOX_API_KEY": door.key}
    listed = await pillarbox("mailbox", "list", "--url", door.url, environ=key)
    assert [line.split("\t")[0] for line in listed[1].splitlines()] == sorted(SENDERS, reverse=listed[1][0] == "s")
    added = await pillarbox("submitter", "add", "crm", "--mailbox", SENDERS[1], environ=door.environ)
    assert added[0] == 0


async def test_the_exit_code_says_why_not(door: HttpDoor) -> None:
    narrow = await door.new_key("narrow", "send")
    cases = {
        3: ("outbox", "show", "20261121-00000000", door.key),
        4: ("outbox", "list", "pbx_aaaaaaaa_" + "x" * 43),
        5: ("outbox", "list", narrow),
    }
    for wanted, (*words, key) in cases.items():
        code, _, errors = await pillarbox(*words, "--url", door.url, environ={"PILLARBOX_API_KEY": key})
        assert (code, key in errors) == (wanted, False), errors


async def test_a_key_that_is_not_known_changes_nothing(door: HttpDoor) -> None:
    stranger = {"PILLARBOX_API_KEY": "pbx_aaaaaaaa_" + "x" * 43}
    assert (await pillarbox("outbox", "pause", "--all", "--url", door.url, environ=stranger))[0] == 4


async def test_tokens_are_for_the_server_itself(door: HttpDoor) -> None:
    code, _, errors = await pillarbox("token", "get", "--app", "contoso", "--json", environ=door.environ)
    assert (code, json.loads(errors)["code"]) == (5, "cli.local_only")


async def test_nobody_there_and_somebody_else_there_are_told(door: HttpDoor) -> None:
    key = {"PILLARBOX_API_KEY": door.key}
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"http://127.0.0.1:{server.getsockname()[1]}"
    code, _, errors = await pillarbox("outbox", "list", "--json", "--url", gone, environ=key)
    assert (code, json.loads(errors)["code"]) == (75, "cli.unreachable")
    broken = b"500 Oops\r\nContent-Type: application/problem+json"
    for status in (b"200 OK", b"302 Found\r\nLocation: https://fabrikam.example/", b"502 Bad Gateway", broken):
        with answering(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n[]" % status) as (url, heard):
            code, _, errors = await pillarbox("outbox", "pause", "--all", "--json", "--url", url, environ=key)
        assert (code, json.loads(errors)["code"], len(heard)) == (75, "cli.not_pillarbox", 1)


async def test_who_is_refused_before_the_version_is_told_asks_for_nothing_more(door: HttpDoor) -> None:
    refusals = {b"401 Unauthorized": b"access.bad_key", b"503 Service Unavailable": b"of.a_later_version"}
    for status, told in refusals.items():
        body = b'{"code": "%s", "title": "No.", "hint": ""}' % told
        fields = b"Content-Type: application/problem+json\r\nContent-Length: %d" % len(body)
        with answering(b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, fields, body)) as (url, heard):
            words = ("outbox", "pause", "--all", "--json", "--url", url)
            code, _, errors = await pillarbox(*words, environ={"PILLARBOX_API_KEY": door.key})
        assert (code, json.loads(errors)["title"]) == (4 if b"bad_key" in told else 1, "No.")
        assert [one.split(b" ")[0] for one in heard] == [b"GET"]


async def test_a_service_of_another_version_is_not_asked(door: HttpDoor) -> None:
    other = b"HTTP/1.1 200 OK\r\nPillarbox-Version: 9.0.0, schema 99\r\nContent-Length: 2\r\n\r\n{}"
    with answering(other) as (url, heard):
        words = ("outbox", "pause", "--all", "--json", "--url", url)
        code, _, errors = await pillarbox(*words, environ={"PILLARBOX_API_KEY": door.key})
    assert (code, json.loads(errors)["code"]) == (75, "cli.other_version")
    assert [one.split(b" ")[0] for one in heard] == [b"GET"]


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (("--url", "http://mail.contoso.example"), {"PILLARBOX_API_KEY": "k"}, "https://"),
        (("--url", "https://mail.contoso.example"), {}, "API key"),
        (("--url", "https://mail.contoso.example", "--socket", "/x"), {"PILLARBOX_API_KEY": "k"}, "--socket"),
        (("--ca-file", "/x"), {}, "--url"),
        (("--url", "https://mail.contoso.example", "--ca-file", "/nowhere"), {"PILLARBOX_API_KEY": "k"}, "/nowhere"),
    ],
)
async def test_what_cannot_be_meant_is_told(words: tuple[str, ...], environ: dict[str, str], said: str) -> None:
    code, _, errors = await pillarbox("outbox", "list", *words, environ=environ)
    assert (code, said in errors) == (2, True)


async def test_the_socket_of_this_machine_goes_before_the_environment(door: HttpDoor) -> None:
    away = {"PILLARBOX_URL": "https://mail.contoso.example", "PILLARBOX_API_KEY": "k"}
    words = ("--socket", str(door.service.ready["socket"]))
    assert (await pillarbox("outbox", "list", *words, environ=away))[0] == 0


async def test_two_services_in_the_environment_are_one_too_many(door: HttpDoor) -> None:
    both = door.environ | {"PILLARBOX_SOCKET": str(door.service.ready["socket"])}
    code, _, errors = await pillarbox("outbox", "pause", "--all", environ=both)
    assert (code, "PILLARBOX_SOCKET" in errors, "PILLARBOX_URL" in errors) == (2, True, True)
    for chosen in (("--url", door.url), ("--socket", both["PILLARBOX_SOCKET"])):
        assert (await pillarbox("outbox", "list", *chosen, environ=both))[0] == 0


async def test_a_browser_beside_the_command_connects_a_mailbox_of_the_service_elsewhere(
    door: HttpDoor, microsoft: Microsoft
) -> None:
    async with at_a_browser(microsoft) as visitor:
        person = Person(microsoft, door.environ, visitor)
        await person.add_app("desktop")
        terminal = await person.begin(ALICE, "--app", "desktop", "--no-browser")
        page = await person.signs_in(await terminal.says(r"(http://localhost:\S+)"))
        code, done, errors = await terminal.ends()
    assert (code, done["address"], done["account"]) == (0, ALICE, ALICE), errors
    assert f"{ALICE} is connected" in page.text


async def test_a_self_made_certificate_is_trusted_where_it_is_named(microsoft: Microsoft, tmp_path: Path) -> None:
    more = {"http.tls": "on", "smtp.hostname": "localhost"}
    async with http_door(microsoft, tmp_path, "outbox.read", settings=more) as door:
        url = f"https://localhost:{door.url.rpartition(':')[2]}"
        key = {"PILLARBOX_API_KEY": door.key}
        code, _, errors = await pillarbox("outbox", "list", "--json", "--url", url, environ=key)
        assert (code, json.loads(errors)["code"]) == (5, "cli.untrusted")
        words = ("--ca-file", str(tmp_path / "state" / "tls-cert.pem"))
        code, output, errors = await pillarbox("outbox", "list", "--json", "--url", url, *words, environ=key)
        assert (code, output, errors) == (0, "[]\n", "")
        elsewhere = url.replace("localhost", "127.1")  # the same machine, by what the certificate does not name
        code, _, errors = await pillarbox("outbox", "list", "--json", "--url", elsewhere, *words, environ=key)
        assert (code, json.loads(errors)["code"]) == (5, "cli.other_name")
