"""How a body may be encoded, and that JSON has each name once."""

import base64
import gzip
import json

import pytest

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import MIME, Client
from tests.unit.emulator.graph.mail.writer import BOB, Writer

SEND = "/users/alice@contoso.example/sendMail"
MAIL = json.dumps({"message": {"subject": "ü", "toRecipients": [BOB]}}, ensure_ascii=False)
JSON, TEXT = "application/json", "text/plain"


@pytest.fixture
def writer(client: Client) -> Writer:
    return Writer(client)


@pytest.mark.parametrize(("kind", "body"), [(JSON, MAIL.encode()), (TEXT, base64.b64encode(MIME))])
async def test_packed_bodies_are_not_unpacked(client: Client, emulator: Emulator, kind: str, body: bytes) -> None:
    for data, packed in ((gzip.compress(body), "gzip"), (body, "br")):
        headers = {"Content-Type": kind, "Content-Encoding": packed}
        answer = await client.graph("POST", SEND, data=data, headers=headers)
        assert (answer.status, answer.code, len(emulator.ledger)) == (415, "UnsupportedMediaType", 0)
    assert [gap.what for gap in emulator.not_emulated] == ["Content-Encoding: gzip", "Content-Encoding: br"]


async def test_identity_is_no_packing(client: Client) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": "identity"}
    assert (await client.graph("POST", SEND, data=MAIL.encode(), headers=headers)).status == 202


async def test_packed_parts_of_files_are_refused(writer: Writer, emulator: Emulator) -> None:
    item = {"attachmentType": "file", "name": "x", "size": 4_000_000}
    path = f"/messages/{await writer.draft()}/attachments/createUploadSession"
    session = (await writer.call("POST", path, json={"AttachmentItem": item})).json
    place = session["uploadUrl"].removeprefix(emulator.url)
    headers = {"Content-Encoding": "gzip", "Content-Range": "bytes 0-9/4000000"}
    answer = await writer.client.request("PUT", place, data=b"0123456789", headers=headers)
    assert (answer.status, answer.code) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("kind", "charset", "good"),
    [
        *((kind, charset, True) for kind in (JSON, TEXT) for charset in ("utf-8", '"UTF-8"', "us-ascii")),
        *((kind, charset, False) for kind in (JSON, TEXT) for charset in ("utf-16", "")),
        (JSON, "iso-8859-1", False),
        (TEXT, "iso-8859-1", True),
        (TEXT, "windows-1252", True),
    ],
)
async def test_charsets(client: Client, emulator: Emulator, kind: str, charset: str, good: bool) -> None:
    body = MAIL.encode() if kind == JSON else base64.b64encode(MIME)
    headers = {"Content-Type": f"{kind}; charset={charset}"}
    answer = await client.graph("POST", SEND, data=body, headers=headers)
    assert answer.status == (202 if good else 415)
    assert len(emulator.not_emulated) == (not good)


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
async def test_other_charsets_are_not_guessed(client: Client, charset: str) -> None:
    answer = await client.graph("POST", SEND, data=MAIL.encode(charset), headers={"Content-Type": JSON})
    assert (answer.status, answer.code) == (400, "BadRequest")


async def test_a_byte_order_mark_is_no_harm(client: Client) -> None:
    data = MAIL.encode("utf-8-sig")
    assert (await client.graph("POST", SEND, data=data, headers={"Content-Type": JSON})).status == 202


PERSON = '{"emailAddress": {"address": "bob@contoso.example"}}'
TWICE = [
    '{"message": {}, "message": {"toRecipients": [%s]}}',
    '{"Message": {}, "message": {"toRecipients": [%s]}}',
    '{"message": {"subject": "a", "subject": "b", "toRecipients": [%s]}}',
    '{"message": {"toRecipients": [%s, {"emailAddress": {"address": "a@x.example", "address": "b@x.example"}}]}}',
]


@pytest.mark.parametrize("text", TWICE)
async def test_names_come_once_in_an_object(client: Client, emulator: Emulator, text: str) -> None:
    data = (text % PERSON).encode()
    answer = await client.graph("POST", SEND, data=data, headers={"Content-Type": JSON})
    assert (answer.status, answer.code, len(emulator.ledger)) == (400, "RequestBodyRead", 0)
    assert "Multiple properties with the name" in answer.json["error"]["message"]
