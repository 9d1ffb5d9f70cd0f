"""A mail that a person writes: what was typed is sent, or stays in the form; files are handed on as they come."""

import io
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from pillarbox.endpoints.console.multipart import MOST
from pillarbox.endpoints.console.pages.compose import people
from tests.unit.endpoints.console.conftest import Seen, Site, Visitor

LETTER = {"from": "scanner@contoso.example", "to": "bob@fabrikam.example", "subject": "Hällo", "text": "Line\r\nä"}


async def composed(visitor: Visitor, files: list[tuple[str, Any]], **fields: str) -> Seen:
    """Fill in the form as a browser does, with files: their names and bytes. The page behind it."""
    await visitor.look("/compose")
    assert visitor.page is not None
    with aiohttp.MultipartWriter("form-data") as form:
        for name, value in (visitor.page.form("/compose").fields | LETTER | fields).items():
            if name != "files":
                form.append(str(value)).set_content_disposition("form-data", name=name)
        for name, content in files or [("", b"")]:
            part = form.append(content, {"Content-Type": "application/pdf"})
            part.headers["Content-Disposition"] = f'form-data; name="files"; filename="{name}"'
    headers = {"Origin": visitor.url, "Cookie": f"pillarbox={visitor.cookies['pillarbox']}"}
    headers["Accept-Language"] = visitor.language
    async with visitor.session.post(f"{visitor.url}/compose", data=form, headers=headers, allow_redirects=False) as got:
        if got.status == 303:
            return await visitor.look(got.headers["Location"])
        visitor.page = Seen(got.status, str(got.url), got.headers, await got.text())
        return visitor.page


async def test_a_mail_goes_with_its_files(site: Site, admin: Visitor) -> None:
    files = [("a b.pdf", b"%PDF" * 100_000), ("б.pdf", b"\r\n--x\r\n")]
    seen = await composed(admin, files, hold="yes", to='"Doe, Bob" <bob@fabrikam.example>; carol@fabrikam.example')
    assert "/outbox/" in seen.url
    assert "The message is in the outbox." in seen.text
    assert "It waits until a person lets it go." in seen.text
    auditor = await site.signed_in("alma")
    read = await auditor.look(f"{seen.url}/mail")
    for said in ("Hällo", "Line", "ä", "a b.pdf", "б.pdf", "Doe, Bob", "carol@fabrikam.example", "400 kB"):
        assert said in read.text
    async with auditor.session.get(
        f"{seen.url}/mail/files/1", headers={"Cookie": f"pillarbox={auditor.cookies['pillarbox']}"}
    ) as file:
        assert await file.read() == b"\r\n--x\r\n"


async def test_without_files_it_has_none_and_goes_at_once(site: Site, admin: Visitor) -> None:
    seen = await composed(admin, [])
    await site.house.settled(seen.url.rpartition("/")[2])
    assert (await admin.look("/outbox")).text.count("bob@fabrikam.example") == 1


async def test_it_is_sent_once_however_often_the_form_is(site: Site, admin: Visitor) -> None:
    await admin.look("/compose")
    assert admin.page is not None
    key = admin.page.form("/compose").fields["key"]
    urls = {(await composed(admin, [("a.pdf", b"x")], key=key)).url for _ in range(2)}
    assert len(urls) == 1
    seen = await composed(admin, [("a.pdf", b"x")], key=key, subject="another")
    assert seen.status == 422
    assert "another message" in seen.text


async def test_a_refusal_stands_beside_its_field_and_what_was_typed_stays(site: Site, admin: Visitor) -> None:
    seen = await composed(
        admin, [("a.pdf", io.BytesIO(bytes(3_000_000)))], to="bob", subject="<b>kept</b>", text="kept too"
    )
    assert seen.status == 422
    form = seen.form("/compose")
    assert (form.fields["to"], form.fields["subject"], form.fields["text"]) == ("bob", "<b>kept</b>", "kept too")
    assert 'id="w-to"' in seen.html
    assert "Files must be chosen again." in seen.text
    assert "No mail yet" in (await admin.look("/outbox")).text


async def test_what_stands_beside_a_field_is_in_the_readers_language(admin: Visitor) -> None:
    admin.language = "uk"
    seen = await composed(admin, [], to="nobody")
    (told,) = re.findall(r'id="w-to">(.*?)</p>', seen.html)
    assert seen.text.count(told.replace("&#39;", "'")) == 2, "as above the form"


async def test_a_time_is_that_of_the_readers_clock(site: Site, admin: Visitor) -> None:
    seen = await composed(admin, [], send_at="2026-12-24T12:00", offset="-480", hold="yes")
    row = await site.house.gateway.outbox.get(seen.url.rpartition("/")[2])
    assert row is not None
    assert row["send_at"] == 1798084800.0
    seen = await composed(admin, [], send_at="soon")
    assert (seen.status, seen.form("/compose").fields["send_at"]) == (422, "soon")


async def test_files_are_no_larger_than_they_may_be(site: Site, admin: Visitor) -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(MOST // 1_000_000 + 1):
            yield bytes(1_000_000)

    seen = await composed(admin, [("a.bin", much())])
    assert seen.status == 413
    assert seen.form("/compose").fields["subject"] == "Hällo"
    assert "No mail yet" in (await admin.look("/outbox")).text


@pytest.mark.parametrize("token", ["", "0" * 32])
async def test_a_form_of_another_site_sends_nothing(admin: Visitor, token: str) -> None:
    assert (await composed(admin, [], form_token=token)).status == 403
    assert "No mail yet" in (await admin.look("/outbox")).text


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"no form"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n"),
    ],
)
async def test_what_is_no_form_of_ours_is_refused(admin: Visitor, content_type: str, body: bytes) -> None:
    assert (await sent_raw(admin, body, content_type)).status in (403, 422)


async def test_a_form_has_no_more_fields_than_ours_have(admin: Visitor) -> None:
    field = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    token = (await admin.look("/account")).form("/sign-out").fields["form_token"].encode()
    for fields, said in ((999, "Files must be chosen again"), (1000, "too many fields")):
        body = field % (b"form_token", token) + field % (b"more", b"") * fields + b"--x--\r\n"
        seen = await sent_raw(admin, body)
        assert seen.status == 422
        assert said in seen.text


async def test_a_key_that_is_none_of_ours_is_refused_as_such(admin: Visitor) -> None:
    assert (await composed(admin, [], key="ключ", hold="yes")).status in (200, 422)


async def sent_raw(visitor: Visitor, body: bytes, content_type: str = "multipart/form-data; boundary=x") -> Seen:
    """Send a form that no page of ours made."""
    cookie = f"pillarbox={visitor.cookies['pillarbox']}"
    headers = {"Origin": visitor.url, "Cookie": cookie, "Content-Type": content_type}
    async with visitor.session.post(f"{visitor.url}/compose", data=body, headers=headers) as got:
        return Seen(got.status, str(got.url), got.headers, await got.text())


async def test_who_may_not_send_is_told_so(site: Site) -> None:
    for name in ("otto", "alma"):
        visitor = await site.signed_in(name)
        assert (await visitor.look("/compose")).status == 403
        # Before their form is read: reading costs.
        assert (await sent_raw(visitor, b"no form")).status == 403
        assert "/compose" not in (await visitor.look("/outbox")).links


async def test_without_a_mailbox_it_says_what_to_do(make_site: Any) -> None:
    site = await make_site()
    visitor = await site.signed_in("anna")
    assert "No mailbox yet" in (await visitor.look("/compose")).text


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", []),
        (
            "a@x.example, b@x.example;c@x.example\r\n d@x.example ,",
            ["a@x.example", "b@x.example", "c@x.example", "d@x.example"],
        ),
        ('"Doe, J; \\"x\\"" <j@x.example>, k@x.example', ['"Doe, J; \\"x\\"" <j@x.example>', "k@x.example"]),
        ('"open, a@x.example', ['"open', "a@x.example"]),
        (",;,", []),
        ('\\"a, b\\", c', ['\\"a', 'b\\"', "c"]),
    ],
)
def test_addresses_are_parted_as_people_part_them(typed: str, found: list[str]) -> None:
    assert people(typed) == found


@pytest.mark.parametrize("piece", ['\\"', '"\\\n', '"a', '\\\\"'])
def test_addresses_are_parted_in_linear_time(piece: str) -> None:
    began = time.process_time()
    people(piece * 20_000)
    assert time.process_time() - began < 1  # A hundredth of that; ten seconds where it is quadratic.


@pytest.mark.parametrize(
    "body",
    [
        b"--other\r\n",
        b"--b\r\nno field\r\n\r\n",
        b"--b\r\nA B: c\r\n\r\n",
        b"--b--more\r\n--b--\r\nmore",
        b"--b\r\n\xff",
    ],
)
async def test_a_form_that_is_broken_is_refused_and_writes_no_line_past_the_log(
    admin: Visitor, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Origin": admin.url, "Cookie": f"pillarbox={admin.cookies['pillarbox']}"}
    headers["Content-Type"] = "multipart/form-data; boundary=b"
    async with admin.session.post(f"{admin.url}/compose", data=body, headers=headers) as answer:
        assert answer.status in (403, 422)
    assert [one.name for one in caplog.records if one.name.startswith("python_multipart")] == []
