"""Django's mail through a real service to the emulator; Django runs in a process of its own, as its settings demand."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Microsoft
from tests.http_door import DRAFTS, HttpDoor, http_door

SITE = Path(__file__).with_name("django_site.py")
ERP, ALICE, BOB = "erp@contoso.example", "alice@contoso.example", "bob@contoso.example"
LETTER = {"subject": "Order", "body": "In plain text.", "from_email": f"ERP <{ERP}>", "to": [f"Alice <{ALICE}>"]}


@pytest.fixture
async def door(microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[HttpDoor]:
    async with http_door(microsoft, tmp_path, "send") as opened:
        yield opened


async def site(door: HttpDoor, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a site with these settings makes of these messages."""
    settings = {"PILLARBOX_URL": door.url, "PILLARBOX_API_KEY": door.key, **more.pop("settings", {})}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SITE)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    asked = json.dumps({"settings": settings, "messages": messages, **more})
    output, _ = await process.communicate(asked.encode())
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


async def sent(door: HttpDoor, microsoft: Microsoft, count: int = 1) -> list[tuple[list[str], Message]]:
    """Recipients and messages that Microsoft was given, once there are so many."""
    await door.service.logged(lambda lines: sum("state=sent" in line for line in lines) >= count)
    entries = microsoft.emulator.ledger.entries
    return [(sorted(one.recipients), message_from_bytes(one.raw or b"")) for one in entries]


async def test_a_message_arrives_as_django_wrote_it(door: HttpDoor, microsoft: Microsoft) -> None:
    letter = LETTER | {
        "html": "<p>In HTML: größer.</p>",
        "files": [("order.csv", "1;2;3\n", "text/csv")],
        "cc": [BOB],
        "reply_to": ["orders@contoso.example"],
        "headers": {"X-Order": "7"},
    }
    assert await site(door, letter) == {"sent": 1}
    ((recipients, mime),) = await sent(door, microsoft)
    assert recipients == [ALICE, BOB]
    assert (mime["Subject"], mime["X-Order"], mime["Reply-To"]) == ("Order", "7", "orders@contoso.example")
    kinds = [part.get_content_type() for part in mime.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/csv"]
    html = next(part for part in mime.walk() if part.get_content_type() == "text/html").get_payload(decode=True)
    assert isinstance(html, bytes)
    assert html.decode() == "<p>In HTML: größer.</p>"


async def test_a_large_file_arrives_whole(microsoft: Microsoft, tmp_path: Path) -> None:
    plan = "".join(f"{number:09d}\n" for number in range(900_000))
    async with http_door(microsoft, tmp_path, "send", roles=DRAFTS) as door:
        # Graph takes it as a draft only.
        wish = {"assurance": "draft"}
        await asyncio.to_thread(door.service.api.patch, f"/api/v1/mailboxes/{ERP}", wish)
        assert await site(door, LETTER | {"files": [("plan.bin", plan, "application/octet-stream")]}) == {"sent": 1}
        ((_, mime),) = await sent(door, microsoft)
    (file,) = (part for part in mime.walk() if part.get_filename() == "plan.bin")
    assert file.get_payload(decode=True) == plan.encode()


async def test_bcc_gets_it_and_the_others_do_not_see_it(door: HttpDoor, microsoft: Microsoft) -> None:
    assert await site(door, LETTER | {"bcc": [BOB]}) == {"sent": 1}
    ((recipients, mime),) = await sent(door, microsoft)
    assert recipients == [ALICE, BOB]
    assert "bob" not in f"{mime['To']} {mime['Cc']}"


async def test_several_messages_are_counted_and_one_without_recipients_is_none(
    door: HttpDoor, microsoft: Microsoft
) -> None:
    assert await site(door, LETTER, LETTER | {"to": []}, LETTER) == {"sent": 2}
    assert len(await sent(door, microsoft, 2)) == 2


async def test_a_refusal_is_raised_or_counts_as_not_sent(door: HttpDoor) -> None:
    stranger = LETTER | {"from_email": "nobody@contoso.example"}
    refused = await site(door, stranger)
    assert (refused["error"], refused["code"]) == ("PillarboxApiError", "mailbox.not_found")
    assert await site(door, stranger, LETTER, silently=True) == {"sent": 1}


@pytest.mark.parametrize("silently", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"subject": "x\nBcc: eve@fabrikam.example"},
        {"to": ["alice@contoso.example\nBcc: eve@fabrikam.example"]},
        {"bcc": ["alice@contoso.example\nBcc: eve@fabrikam.example"]},
        {"from_email": "erp@contoso.example\r\nBcc: eve@fabrikam.example"},
        {"headers": {"X-A": "1\r\nBcc: eve@fabrikam.example"}},
    ],
    ids=["subject", "to", "bcc", "from", "header"],
)
async def test_what_would_bring_in_a_header_is_refused_never_in_silence(
    door: HttpDoor, microsoft: Microsoft, change: dict[str, Any], silently: bool
) -> None:
    refused = await site(door, LETTER | change, silently=silently)
    assert refused["error"] in ("BadHeaderError", "ValueError")
    assert microsoft.emulator.ledger.entries == []


@pytest.mark.parametrize(
    "settings",
    [
        {"PILLARBOX_URL": "http://mail.contoso.example"},
        {"PILLARBOX_URL": ""},
        {"PILLARBOX_API_KEY": ""},
        {"PILLARBOX_API_KEY": "", "PILLARBOX_API_KEY_FILE": "/nowhere"},
    ],
)
async def test_settings_that_cannot_be_used_are_told(door: HttpDoor, settings: dict[str, str]) -> None:
    assert (await site(door, LETTER, settings=settings, silently=True))["error"] == "ImproperlyConfigured"


async def test_the_key_may_lie_in_a_file(door: HttpDoor, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(door.key + "\n")
    settings = {"PILLARBOX_API_KEY": "", "PILLARBOX_API_KEY_FILE": str(tmp_path / "key")}
    assert await site(door, LETTER, settings=settings) == {"sent": 1}
