"""A message as those who may can read it: nothing in it runs, nothing is loaded, nothing is shown as what it is not."""

import re
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.delivery.submission import Terms
from tests.unit.endpoints.console.conftest import Site, Visitor

SENDER, BOB = "scanner@contoso.example", "bob@fabrikam.example"
XSS = "<script>window.__xss=1</script>"


def mail(subject: str = "Scan", text: str = "page 1") -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = SENDER, BOB, subject
    made.set_content(text)
    return made


async def kept(site: Site, made: EmailMessage) -> str:
    """The path of a message that lies here whole, as it waits for an approval."""
    printer = await site.house.gateway.submitters.get("printer")
    envelope = Envelope(SENDER, (BOB,))
    content = in_memory(made.as_bytes())
    queue_id = await site.house.gateway.submission.accept(envelope, content, printer, terms=Terms(approval=True))
    return f"/outbox/{queue_id}/mail"


@pytest.fixture
async def auditor(site: Site) -> Visitor:
    return await site.signed_in("alma")


async def test_a_text_is_shown_as_text(site: Site, auditor: Visitor) -> None:
    seen = await auditor.look(await kept(site, mail(f"Über {XSS}", f"Hello {XSS}\r\nä")))
    assert seen.status == 200
    assert f"Hello {XSS}" in seen.text
    assert f"Über {XSS}" in seen.text
    assert XSS not in seen.html
    assert "<iframe" not in seen.html


async def test_html_is_shown_in_a_frame_that_runs_and_loads_nothing(site: Site, auditor: Visitor) -> None:
    made = mail()
    made.add_alternative(
        f"<p>Hello{XSS}<img src='https://track.example/x.png'><img src=x onerror=alert(1)>"
        "<form action='https://evil.example'><input></form></p>",
        subtype="html",
    )
    path = await kept(site, made)
    seen = await auditor.look(path)
    frame = re.search(r"<iframe[^>]*>", seen.html)
    assert frame is not None
    assert f'src="{path}/html"' in frame[0]
    assert " sandbox src=" in frame[0]
    assert "2 pictures of other places" in seen.text
    assert "Hello" not in seen.html
    shown = await auditor.look(f"{path}/html")
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "allow-" not in policy
    assert "frame-ancestors 'self'" in policy
    assert shown.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Hello" in shown.html
    for gone in ("script", "track.example", "onerror", "evil.example", "<form", "<input"):
        assert gone not in shown.html


async def test_files_are_listed_with_their_sizes_and_come_as_files_alone(site: Site, auditor: Visitor) -> None:
    made = mail()
    made.add_attachment(b"<script>", maintype="text", subtype="html", filename="a <b>.html")
    made.add_attachment(bytes(range(256)) * 8, maintype="application", subtype="pdf", filename="б.pdf")
    path = await kept(site, made)
    seen = await auditor.look(path)
    assert "a <b>.html" in seen.text
    assert "2 kB" in seen.text
    for number, name in ((0, "a%20%3Cb%3E.html"), (1, "%D0%B1.pdf")):
        async with auditor.session.get(
            f"{auditor.url}{path}/files/{number}", headers={"Cookie": f"pillarbox={auditor.cookies['pillarbox']}"}
        ) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{name}"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert await answer.read() == (b"<script>", bytes(range(256)) * 8)[number]
    missing = await auditor.look(f"{path}/files/2")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "Copy the request id" in missing.text
    assert (await auditor.look(f"{path}/files/x")).status == 422


async def test_the_whole_comes_as_it_lies_here(site: Site, auditor: Visitor) -> None:
    path = await kept(site, mail("as it is"))
    seen = await auditor.look(f"{path}/whole")
    assert seen.headers["Content-Type"] == "application/octet-stream"
    assert re.fullmatch(r"attachment; filename=[0-9A-Z]{16}\.eml", seen.headers["Content-Disposition"])
    assert "Subject: as it is" in seen.html


async def test_of_what_was_sent_the_header_is_left(site: Site, auditor: Visitor) -> None:
    made = mail("gone")
    made.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="scan.pdf")
    queue_id = await site.house.accept(made.as_bytes(), BOB)
    await site.house.settled(queue_id)
    await site.house.gateway.housekeeping.round()
    seen = await auditor.look(f"/outbox/{queue_id}/mail")
    assert seen.status == 200
    assert "The text is not kept any more" in seen.text
    assert "gone" in seen.text
    assert "Attachments" not in seen.text
    assert "Subject: gone" in (await auditor.look(f"/outbox/{queue_id}/mail/whole?header=true")).html


async def test_who_may_not_read_is_offered_nothing_and_refused(site: Site, admin: Visitor) -> None:
    path = await kept(site, mail("secret"))
    assert "Read the message" not in (await admin.look(path.removesuffix("/mail"))).text
    for more in ("", "/html", "/whole", "/files/0"):
        seen = await admin.look(path + more)
        assert seen.status == 403
        assert "secret" not in seen.html
        assert "Your role does not allow this." in seen.text


async def test_who_reads_is_in_the_audit_log(site: Site, auditor: Visitor) -> None:
    path = await kept(site, mail())
    await auditor.look(path)
    log = await site.signed_in("alma")
    assert "read_send" in (await log.look("/api/v1/audit-events")).html
