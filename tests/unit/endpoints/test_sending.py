"""POST /api/v1/sends: a message in each of its forms, and what is refused with the place where it stands."""

import asyncio
import base64
import email
import email.policy
import http.client
import json
import os
import resource
import smtplib
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from starlette.requests import Request

from pillarbox.admin import mailboxes
from pillarbox.cli.local import UnixConnection
from pillarbox.core.accounts import MailboxChoice
from pillarbox.core.errors import InvalidInput, Unavailable
from pillarbox.core.graph_limits import MOST_MIME
from pillarbox.endpoints.api.handed_in import MOST_JSON, AsItIs, Given, Reader
from pillarbox.endpoints.smtp.spool import Budget, Spool
from tests.conftest import House, MakeHouse

PATH = "/api/v1/sends"
BOX, ALICE = "scanner@contoso.example", "alice@contoso.example"
MESSAGE: dict[str, Any] = {"from": BOX, "to": [ALICE], "subject": "Scan", "text": "page 1"}
PDF = b"%PDF-1.7 \x00\xff"
AS_JSON = {"Content-Type": "application/json"}


class Answer:
    """The answer to a request: status, header and text."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def flaws(self) -> list[str]:
        """Where the problem says that something is wrong."""
        return [one["pointer"] for one in self.json["errors"]]


async def asked(
    house: House, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = AS_JSON
) -> Answer:
    def call() -> Answer:
        connection = UnixConnection(house.gateway.settings.socket, os.geteuid())
        try:
            connection.request(method, path, body, dict(headers))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return await asyncio.to_thread(call)


async def send(house: House, message: Mapping[str, Any], **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await asked(house, "POST", PATH, json.dumps(message).encode(), AS_JSON | given)


def form(message: object, *files: tuple[str, str, bytes], first: str = "message") -> tuple[bytes, dict[str, str]]:
    """A multipart/form-data body: the message, and files as (part, file name, bytes)."""
    parts = [(f'name="{first}"', "application/json", json.dumps(message).encode())]
    parts += [(f'name="{part}"; filename="{name}"', "application/pdf", data) for part, name, data in files]
    body = b"".join(
        f"--b\r\nContent-Disposition: form-data; {naming}\r\nContent-Type: {media_type}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for naming, media_type, data in parts
    )
    return body + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


async def arrived(house: House, answer: Answer) -> EmailMessage:
    """The message as it arrived."""
    assert answer.status == 202, answer.text
    await house.settled(answer.json["id"])
    raw = house.microsoft.emulator.ledger.entries[-1].raw
    assert raw is not None
    return email.message_from_bytes(raw, policy=email.policy.default)


def files(message: EmailMessage) -> list[tuple[str | None, object]]:
    return [(part.get_filename(), part.get_payload(decode=True)) for part in message.iter_attachments()]


# ---- its forms


async def test_a_message_as_json_arrives(house: House) -> None:
    attachment = {"name": "a.pdf", "media_type": "application/pdf", "content": base64.b64encode(PDF).decode()}
    answer = await send(
        house,
        MESSAGE
        | {
            "from": {"address": BOX, "name": "Scanner"},
            "cc": ["Bob <bob@contoso.example>"],
            "bcc": ["erp@contoso.example"],
            "html": "<p>page 1</p>",
            "attachments": [attachment],
            "headers": {"X-Trace": "7"},
        },
    )
    row = await house.gateway.outbox.get(answer.json["id"])
    assert row is not None
    assert answer.json == {"id": row["id"], "state": "queued", "message_id": row["message_id"]}
    assert urljoin(PATH, answer.headers["Location"]) == f"{PATH}/{answer.json['id']}"
    message = await arrived(house, answer)
    assert (str(message["From"]), str(message["To"])) == (f"Scanner <{BOX}>", ALICE)
    assert (message["Subject"], message["X-Trace"]) == ("Scan", "7")
    assert files(message) == [("a.pdf", PDF)]
    (entry,) = house.microsoft.emulator.ledger.entries
    assert sorted(entry.recipients) == [ALICE, "bob@contoso.example", "erp@contoso.example"]


async def test_files_come_with_it_in_a_form(house: House) -> None:
    logo = {"part": "logo", "inline": True, "content_id": "logo", "name": "logo.png", "media_type": "image/png"}
    wish = MESSAGE | {"html": "<img src=cid:logo>", "attachments": [logo]}
    message = await arrived(
        house,
        await asked(
            house, "POST", PATH, *form(wish, ("logo", "x", b"png"), ("file", "a.pdf", PDF), ("file", "b.pdf", b""))
        ),
    )
    assert files(message) == [("a.pdf", PDF), ("b.pdf", b"")]
    (shown,) = (part for part in message.walk() if part.get_content_type() == "image/png")
    assert (shown["Content-ID"], shown.get_payload(decode=True)) == ("<logo>", b"png")


async def test_a_message_as_it_is_arrives_with_every_line_ended(house: House) -> None:
    mime = f"From: {BOX}\nTo: {ALICE}\nSubject: s\n\none\r\ntwo\rthree\r".encode()
    message = await arrived(house, await asked(house, "POST", PATH, mime, {"Content-Type": "message/rfc822"}))
    assert message.get_payload() == "one\r\ntwo three "


async def test_an_upload_goes_with_it_and_is_gone_then(house: House) -> None:
    upload = (await asked(house, "POST", "/api/v1/uploads", b'{"name": "a.pdf", "size": 11}')).json
    place = f"/api/v1/uploads/{upload['id']}"
    wish = MESSAGE | {"attachments": [{"upload_id": upload["id"]}]}
    assert (await send(house, wish)).status == 409
    assert (await asked(house, "PUT", place, PDF)).json["received"] == 11
    answer = await send(house, wish, Idempotency_Key="k")
    assert files(await arrived(house, answer)) == [("a.pdf", PDF)]
    assert not list((house.gateway.settings.state_dir / "uploads").iterdir())
    assert (await asked(house, "GET", place)).status == 404
    again = await send(house, wish, Idempotency_Key="k")
    assert (again.json["id"], again.headers["Idempotent-Replayed"]) == (answer.json["id"], "true")


async def test_one_message_of_several_at_once_takes_an_upload(house: House) -> None:
    upload = (await asked(house, "POST", "/api/v1/uploads", b'{"name": "a.pdf", "size": 1500000}')).json["id"]
    await asked(house, "PUT", f"/api/v1/uploads/{upload}", bytes(1_500_000))
    wish = MESSAGE | {"attachments": [{"upload_id": upload}]}
    # Few enough to leave threads to the service, which shares them here.
    answers = await asyncio.gather(*(send(house, wish, Idempotency_Key=f"k{number}") for number in range(3)))
    assert sorted(answer.status for answer in answers) == [202, 404, 404]
    assert {answer.json["code"] for answer in answers if answer.status == 404} == {"upload.not_found"}
    assert sum((await house.gateway.outbox.count()).values()) == 1


async def test_an_upload_of_a_message_that_is_refused_stays(house: House) -> None:
    upload = (await asked(house, "POST", "/api/v1/uploads", b'{"name": "a.pdf", "size": 0}')).json
    wish = MESSAGE | {"attachments": [{"upload_id": upload["id"]}]}
    assert (await send(house, wish | {"to": []})).json["code"] == "mail.no_recipients"
    assert files(await arrived(house, await send(house, wish))) == [("a.pdf", b"")]


# ---- what is refused

BAD: list[tuple[dict[str, Any], str]] = [
    ({"to": "a@b\r\nBcc: c@d"}, "/to/0"),
    ({"to": ["a@b.example", "a@b\r\nBcc: c@d"]}, "/to/1"),
    ({"cc": [{"address": ALICE, "name": "x\u2028y"}]}, "/cc/0"),
    ({"cc": [{"address": 7}]}, "/cc/0/address"),
    ({"bcc": [7]}, "/bcc/0"),
    ({"from": "x"}, "/from"),
    ({"from": None}, "/from"),
    ({"subject": "=?utf-8?q?a=0d=0aBcc:_x?="}, "/subject"),
    ({"headers": {"Bcc": "c@d.example"}}, "/headers/Bcc"),
    ({"headers": {"a/b~c": ""}}, "/headers/a~1b~0c"),
    ({"headers": {"X-A": "a\r\nBcc: c@d"}}, "/headers/X-A"),
    ({"attachments": [{"name": "a\r\nb", "content": ""}]}, "/attachments/0/name"),
    ({"attachments": [{"name": "a", "content": "%%%"}]}, "/attachments/0/content"),
    ({"attachments": [{"name": "a", "content": "YQ"}]}, "/attachments/0/content"),
    ({"attachments": [{"name": "a"}]}, "/attachments/0"),
    ({"attachments": [{"content": "", "upload_id": "x"}]}, "/attachments/0"),
    ({"attachments": [{"part": "x"}]}, "/attachments/0/part"),
    ({"envelope_from": "x"}, "/envelope_from"),
    ({"send_at": "tomorrow"}, "/send_at"),
    ({"send_at": "2030-01-31T09:00:00"}, "/send_at"),
    ({"send_at": -1}, "/send_at"),
    ({"send_at": 4e9}, "/send_at"),
    ({"send_at": True}, "/send_at"),
    ({"send_at": []}, "/send_at"),
    ({"max_age": "1"}, "/max_age"),
    ({"hold": "true"}, "/hold"),
    ({"to": None}, "/to"),
    ({"in_reply_to": "<a=?utf-8?q?=0A?=@x.example>"}, "/in_reply_to"),
    ({"to": ["bob@cont\u00adoso.example"]}, "/to/0"),
    ({"to": []}, "/to"),
    ({"transport": "smtp"}, "/transport"),
    ({"transport": "pigeon"}, "/transport"),
    ({"transport": "auto"}, "/transport"),
    ({"nonsense": 1}, "/nonsense"),
]


@pytest.mark.parametrize(("wrong", "pointer"), BAD, ids=[json.dumps(wrong)[:40] for wrong, _ in BAD])
async def test_what_is_wrong_is_told_with_its_place(house: House, wrong: dict[str, Any], pointer: str) -> None:
    answer = await send(house, MESSAGE | wrong)
    assert (answer.status, answer.flaws) == (422, [pointer])
    assert not await house.gateway.outbox.count()


async def test_a_path_in_a_file_name_is_cleaned(house: House) -> None:
    message = await arrived(house, await send(house, MESSAGE | {"attachments": [{"name": "../../x", "content": ""}]}))
    assert files(message) == [("x", b"")]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b'{"from": "a", "from": "b"}', "application/json", 400),
        (b'{"send_at": NaN}', "application/json", 400),
        (b'{"subject": "\\ud800"}', "application/json", 400),
        (b"[" * 65 + b"]" * 65, "application/json", 400),
        (b"[]", "application/json", 422),
        (b" " * (MOST_JSON + 1), "application/json", 413),
        (b"", "multipart/form-data", 400),
        (b"--b\r\n", "multipart/form-data; boundary=b", 400),
        (form({}, first="other")[0], "multipart/form-data; boundary=b", 400),
        (form(MESSAGE, ("message", "m", b""))[0], "multipart/form-data; boundary=b", 400),
        (form(MESSAGE, *[("a", "a", b"")] * 501)[0], "multipart/form-data; boundary=b", 400),
        (form(MESSAGE)[0][:-4], "multipart/form-data; boundary=b", 400),
        (b"--b\r\n\r\n{}\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(house: House, body: bytes, content_type: str, status: int) -> None:
    answer = await asked(house, "POST", PATH, body, {"Content-Type": content_type} if content_type else {})
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")


async def test_a_message_is_as_large_as_its_mailbox_may_send_whatever_smtp_takes(make_house: MakeHouse) -> None:
    house = await make_house({"smtp.max_size": "1000"})
    submitter = await house.furnish(BOX)
    with pytest.raises(InvalidInput, match="larger than"):
        house.gateway.submission.check_mail(submitter, BOX, MOST_MIME + 1)
    mime = f"From: {BOX}\r\nTo: {ALICE}\r\n\r\n".encode()
    for size, status in ((1001, 202), (MOST_MIME, 202), (MOST_MIME + 1, 413)):
        body = mime + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * ((size - len(mime) - 72) // 72)
        body += b"z" * (size - len(body))
        assert (await asked(house, "POST", PATH, body, {"Content-Type": "message/rfc822"})).status == status
    body, headers = form(MESSAGE, ("file", "a", bytes(MOST_MIME)))
    answer = await asked(house, "POST", PATH, body, headers)
    assert (answer.status, answer.json["code"]) == (413, "mail.too_large_for_graph")
    assert await asyncio.to_thread(_offered, house, [1000, 1001]) == [250, 552, 552]


def _offered(house: House, sizes: list[int]) -> list[int]:
    """The replies of the SMTP door to MAIL with these sizes, and to a message of the last one."""
    with smtplib.SMTP(*house.smtp, timeout=30) as client:
        client.login("printer", house.passwords["printer"])
        codes = []
        for size in sizes:
            codes.append(client.mail(BOX, [f"SIZE={size}"])[0])
            client.rset()
        client.mail(BOX)
        client.rcpt(ALICE)
        return [*codes, client.data(b"From: " + BOX.encode() + b"\r\n\r\n" + b"x" * sizes[-1])[0]]


FORM_BEGUN = b'--b\r\nContent-Disposition: form-data; name="message"\r\n\r\n{}\r\n--b\r\n'
FILE_BEGUN = FORM_BEGUN + b'Content-Disposition: form-data; name="file"\r\n\r\n'


@pytest.mark.parametrize(
    ("content_type", "first", "most"),
    [
        ("message/rfc822", b"", 2**20),
        ("application/json", b"", 2**30),
        ("multipart/form-data; boundary=b", FILE_BEGUN, 2**20),
        ("multipart/form-data; boundary=b", FORM_BEGUN[: FORM_BEGUN.index(b"{}")], 2**30),
    ],
)
async def test_what_is_too_long_is_not_read_to_its_end(
    tmp_path: Path, content_type: str, first: bytes, most: int
) -> None:
    block, read = b"x" * 2**20, 0

    async def receive() -> dict[str, object]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": first if read == 1 else block, "more_body": read < 100}

    scope = {"type": "http", "query_string": b"", "headers": [(b"content-type", content_type.encode())]}
    budget = Budget(10**9)
    reader = Reader(lambda: Spool(budget, tmp_path), None, most)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput) as refused:
        await reader.read(Request(scope, receive), "local/local", None, Given(None, []))
    assert refused.value.entry.http == 413
    assert read < 20
    assert budget.used == 0


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("message/rfc822", b"x" * 1001),
        ("application/json", b" " * 1001),
        ("multipart/form-data; boundary=b", FILE_BEGUN + b"x" * 1001),
        ("multipart/form-data; boundary=b", FORM_BEGUN.replace(b"{}", b" " * 1001)),
    ],
)
async def test_all_that_is_coming_in_together_has_its_bound(tmp_path: Path, content_type: str, body: bytes) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": True}

    scope = {"type": "http", "query_string": b"", "headers": [(b"content-type", content_type.encode())]}
    budget = Budget(1000)
    reader = Reader(lambda: Spool(budget, tmp_path), None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await reader.read(Request(scope, receive), "local/local", None, Given(None, []))
    assert budget.used == 0


@pytest.mark.parametrize("cut", range(1, 8))
async def test_a_line_may_be_cut_anywhere_on_its_way(tmp_path: Path, cut: int) -> None:
    pieces = [b"a\r\nb\rc\r"[:cut], b"a\r\nb\rc\r"[cut:]]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    scope = {"type": "http", "query_string": b"", "headers": [(b"content-type", b"message/rfc822")]}
    reader = Reader(lambda: Spool(Budget(100), tmp_path), None, 100)  # type: ignore[arg-type]
    handed_in = await reader.read(Request(scope, receive), "local/local", None, Given("a@b.example", ["c@d.example"]))
    assert isinstance(handed_in, AsItIs)
    assert b"".join(handed_in.spool.pieces()) == b"a\r\nb c "
    handed_in.close()


@pytest.mark.parametrize("text", [b"Subject: a\0b\r\n\r\nx", b"Subject: a\r\n\r\nx\0y"])
async def test_a_nul_is_in_no_message(house: House, text: bytes) -> None:
    mime = f"From: {BOX}\r\nTo: {ALICE}\r\n".encode() + text
    answer = await asked(house, "POST", PATH, mime, {"Content-Type": "message/rfc822"})
    assert (answer.status, answer.json["code"]) == (422, "smtp.nul")


@pytest.mark.parametrize(("encoding", "status"), [("base64", 400), ("quoted-printable", 400), ("Binary", 202)])
async def test_a_part_of_a_form_that_is_encoded_is_refused(house: House, encoding: str, status: int) -> None:
    body, kind = form(MESSAGE, ("file", "a.txt", b"aGk="))
    body = body.replace(b"application/pdf\r\n", f"text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n".encode())
    assert (await asked(house, "POST", PATH, body, kind)).status == status


@pytest.mark.parametrize(("length", "others_go_on"), [(1, False), (64 * 1024, True)])
async def test_a_long_message_is_composed_beside_the_loop(tmp_path: Path, length: int, others_go_on: bool) -> None:
    body = json.dumps(MESSAGE | {"text": "x" * length}).encode()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "query_string": b"", "headers": [(b"content-type", b"application/json")]}
    reader = Reader(lambda: Spool(Budget(10**9), tmp_path), None)  # type: ignore[arg-type]
    handed_in = await reader.read(Request(scope, receive), "local/local", None, Given(None, []))
    went_on = asyncio.Event()
    asyncio.get_running_loop().call_soon(went_on.set)
    await handed_in.ready()
    assert went_on.is_set() == others_go_on


async def test_parameters_in_the_url_are_for_a_message_as_it_is(house: House) -> None:
    answer = await asked(house, "POST", f"{PATH}?sender={BOX}", json.dumps(MESSAGE).encode())
    assert (answer.status, answer.json["code"]) == (422, "send.only_for_mime")


async def test_a_message_without_a_sender_is_told_so_in_the_words_of_a_message(house: House) -> None:
    answer = await asked(house, "POST", PATH, b"", {"Content-Type": "message/rfc822"})
    assert (answer.status, answer.json["code"]) == (422, "mail.no_sender")
    assert "`sender` in the URL" in answer.json["hint"]


@pytest.mark.parametrize("control", ["\x01", "\x0b", "\x7f"])
async def test_a_control_in_the_media_type_of_a_part_is_refused(house: House, control: str) -> None:
    body, headers = form(MESSAGE, ("file", "a.pdf", PDF))
    wrong = body.replace(b"application/pdf", f"application/pdf{control}".encode())
    answer = await asked(house, "POST", PATH, wrong, headers)
    assert answer.status in (400, 422), answer.text


async def test_a_cursor_of_another_list_is_refused(house: House) -> None:
    cursor = (await asked(house, "GET", "/api/v1/events")).json["next"]
    answer = await asked(house, "GET", f"{PATH}?cursor={cursor}")
    assert (answer.status, answer.json["code"]) == (422, "request.bad_cursor")


async def test_a_mailbox_that_is_not_there_sends_nothing(house: House) -> None:
    for wrong, pointer in (
        ({"from": "nobody@contoso.example"}, "/from"),
        ({"sender": "nobody@contoso.example"}, "/sender"),
        ({"envelope_from": "nobody@contoso.example"}, "/envelope_from"),
    ):
        answer = await send(house, MESSAGE | wrong)
        assert (answer.status, answer.json["code"], answer.flaws) == (404, "mailbox.not_found", [pointer])


async def test_an_upload_that_is_not_there_is_told_with_its_place(house: House) -> None:
    answer = await send(house, MESSAGE | {"attachments": [{"content": ""}, {"upload_id": "0" * 32}]})
    assert (answer.status, answer.flaws) == (404, ["/attachments/1/upload_id"])


@pytest.mark.parametrize(
    ("new", "pointer"),
    [
        ({"name": "a\u202e.pdf"}, "/name"),
        ({"media_type": "text/plain; a=b"}, "/media_type"),
        ({"size": 2**28}, "/size"),
        ({"size": "10"}, "/size"),
    ],
)
async def test_an_upload_that_no_message_takes_is_not_begun(house: House, new: dict[str, Any], pointer: str) -> None:
    answer = await asked(house, "POST", "/api/v1/uploads", json.dumps({"name": "a", "size": 3} | new).encode())
    assert answer.flaws == [pointer]


async def test_no_part_of_a_form_is_lost_where_several_have_its_name(house: House) -> None:
    both = (("file", "a.pdf", PDF), ("file", "b.pdf", b"b"), ("page", "c.pdf", b"c" * 300_000), ("page", "d.pdf", b""))
    message = await arrived(house, await asked(house, "POST", PATH, *form(MESSAGE, *both)))
    assert files(message) == [(name, data) for _, name, data in both]
    answer = await asked(house, "POST", PATH, *form(MESSAGE | {"attachments": [{"part": "file"}]}, *both))
    assert (answer.status, answer.json["code"]) == (422, "compose.no_such_part")


async def test_a_message_of_many_files_holds_few_open(house: House) -> None:
    upload = (await asked(house, "POST", "/api/v1/uploads", b'{"name": "a", "size": 1}')).json["id"]
    await asked(house, "PUT", f"/api/v1/uploads/{upload}", b"x")
    wish = MESSAGE | {"attachments": [{"upload_id": upload}] * 400}
    body, headers = form(wish, *[("file", "a", bytes(2_000))] * 400)
    before = len(os.listdir("/proc/self/fd"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 50, limits[1]))
    try:
        answer = await asked(house, "POST", PATH, body, headers)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert answer.status == 202, answer.text
    assert len(files(await arrived(house, answer))) == 800


# ---- the same request again


async def test_the_same_key_gives_the_same_message_whatever_the_order_of_its_members(house: House) -> None:
    first = await send(house, MESSAGE, Idempotency_Key="k")
    again = await send(house, dict(reversed(MESSAGE.items())), Idempotency_Key="k")
    assert again.json["id"] == first.json["id"]
    assert again.json["message_id"] == first.json["message_id"] != ""
    assert (first.headers["Idempotent-Replayed"], again.headers["Idempotent-Replayed"]) == (None, "true")
    assert (await send(house, MESSAGE | {"text": "page 2"}, Idempotency_Key="k")).status == 422
    assert sum((await house.gateway.outbox.count()).values()) == 1


async def test_another_file_in_the_form_is_another_request(house: House) -> None:
    answers = []
    for data in (b"one", b"one", b"two"):
        body, headers = form(MESSAGE, ("file", "a", data))
        answers.append(await asked(house, "POST", PATH, body, headers | {"Idempotency-Key": "k"}))
    assert [answer.status for answer in answers] == [202, 202, 422]


# ---- terms


@pytest.mark.parametrize("send_at", ["2100-01-01T00:00:00Z", 4102444800])
async def test_a_time_is_seconds_or_rfc_3339(make_house: MakeHouse, send_at: object) -> None:
    house = await make_house(clock=lambda: 4102444800.0 - 3600)
    await house.furnish(BOX)
    answer = await send(house, MESSAGE | {"send_at": send_at, "priority": "high", "max_age": 60})
    row = await house.gateway.outbox.get(answer.json["id"])
    assert row is not None
    assert (row["send_at"], row["priority"], row["expires_at"]) == (4102444800, 1, 4102444860)


async def test_what_is_to_be_held_waits(house: House) -> None:
    answer = await send(house, MESSAGE | {"hold": True}, Prefer="wait=30")
    assert (answer.status, answer.json["state"]) == (202, "held")


async def test_a_transport_of_the_mailbox_can_be_chosen_and_is_shown(house: House) -> None:
    await mailboxes.choose(house.gateway.accounts, BOX, MailboxChoice(transport="auto"))
    await house.gateway.submitters.refresh()
    answer = await send(house, MESSAGE | {"transport": "graph"})
    await house.settled(answer.json["id"])
    trace = (await asked(house, "GET", f"{PATH}/{answer.json['id']}")).json
    assert trace["message"]["transport"] == "graph"


# ---- waiting


async def test_who_prefers_to_wait_is_told_how_it_ended(house: House) -> None:
    answer = await send(house, MESSAGE, Prefer="respond-async, wait=30")
    assert (answer.status, answer.json["state"]) == (200, "sent")
    assert answer.headers["Preference-Applied"] == "wait=30"


async def in_lines(house: House, *fields: tuple[str, str]) -> Answer:
    """What is answered to a message where fields may stand in several lines."""

    def call() -> Answer:
        connection = UnixConnection(house.gateway.settings.socket, os.geteuid())
        try:
            body = json.dumps(MESSAGE).encode()
            connection.putrequest("POST", PATH)
            for name, value in (*AS_JSON.items(), ("Content-Length", str(len(body))), *fields):
                connection.putheader(name, value)
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return await asyncio.to_thread(call)


async def test_a_preference_may_stand_in_a_line_of_its_own(house: House) -> None:
    answer = await in_lines(house, ("Prefer", "respond-async"), ("Prefer", "wait=60"))
    assert (answer.status, answer.json["state"]) == (200, "sent")


async def test_a_message_has_one_idempotency_key(house: House) -> None:
    answer = await in_lines(house, ("Idempotency-Key", "one"), ("Idempotency-Key", "two"))
    assert (answer.status, answer.json["code"]) == (422, "idempotency.bad_key")


async def test_who_waited_in_vain_is_told_that_it_goes_on(house: House) -> None:
    await asked(house, "POST", "/api/v1/outbox:pause", b"{}")
    # As when the time is over, but at once.
    house.gateway.watch.stop()
    answer = await send(house, MESSAGE, Prefer="wait=30")
    assert (answer.status, answer.json["state"], answer.headers["Preference-Applied"]) == (202, "queued", "wait=30")


async def test_the_longest_wait_counts_where_more_is_preferred(house: House) -> None:
    for seconds in ("61", "9" * 30):
        answer = await send(house, MESSAGE | {"hold": True}, Prefer=f"wait={seconds}")
        assert answer.headers["Preference-Applied"] == "wait=60"


@pytest.mark.parametrize("prefer", ["wait=0", "wait=-1", "wait", "xwait=9"])
async def test_another_preference_is_none(house: House, prefer: str) -> None:
    answer = await send(house, MESSAGE, Prefer=prefer)
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, None)


async def test_the_document_of_the_api_knows_the_message(house: House) -> None:
    document = (await asked(house, "GET", "/api/v1/openapi.json")).json
    content = document["paths"][PATH]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data", "message/rfc822"}
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/NewSend"}
    assert {"NewSend", "NewAttachment", "Address"} <= set(document["components"]["schemas"])
    assert document["components"]["schemas"]["NewSend"]["required"] == ["from"]
