"""IMAP: greeting, capabilities, logins that are refused, and the SELECT that shows what one is worth (facts 4.2)."""

import imaplib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.microsoft import needs
from tests.contract.microsoft.entra import Entra
from tests.contract.microsoft.needs import needed
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.test_smtp import TIMEOUT, token
from tests.contract.microsoft.web import Bearer, tls

__all__ = ["token"]


@pytest.fixture
def imap(target: Target) -> Iterator[imaplib.IMAP4_SSL]:
    """A connection, greeted and nothing more."""
    opened = imaplib.IMAP4_SSL(*target.imap, ssl_context=tls(target), timeout=TIMEOUT)
    yield opened
    opened.shutdown()


def authenticate(imap: imaplib.IMAP4_SSL, user: str, token: Bearer) -> str:
    """Log in; the server's text, of a refusal too."""
    login = f"user={user}\x01auth=Bearer {token.value}\x01\x01".encode()
    try:
        return words(imap.authenticate("XOAUTH2", lambda challenge: login))
    except imaplib.IMAP4.error as refusal:
        return f"NO {_text(refusal)}"


def words(reply: tuple[str, Any]) -> str:
    """The last line of a reply as one text."""
    kind, texts = reply
    return f"{kind} {(texts[-1] or b'').decode()}"


def _text(refusal: imaplib.IMAP4.error) -> str:
    first = refusal.args[0]
    return first.decode() if isinstance(first, bytes) else str(first)


def capabilities(imap: imaplib.IMAP4_SSL) -> list[str]:
    """What CAPABILITY names."""
    _, texts = imap.capability()
    return [*texts[-1].decode().split()]


def test_greeting_and_capabilities_before_the_login(imap: imaplib.IMAP4_SSL, record: Record) -> None:
    record.lines("greeting", [imap.welcome.decode()])
    before = capabilities(imap)
    record.lines("before", before)
    assert {"IMAP4rev1", "AUTH=XOAUTH2", "SASL-IR"} <= {*before}


def test_mailbox_is_selected(imap: imaplib.IMAP4_SSL, target: Target, token: Bearer, record: Record) -> None:
    logged_in = authenticate(imap, target.sender_address, token)
    record.lines("login", [logged_in])
    assert logged_in.startswith("OK")
    record.lines("after", capabilities(imap))
    selected = imap.select("INBOX", readonly=True)
    assert selected[0] == "OK"
    record.steps["what SELECT tells"] = sorted(imap.untagged_responses)
    record.lines("namespace", [words(imap.namespace())])


@pytest.mark.ahead("IMAP beyond SELECT")
def test_folders_are_listed(imap: imaplib.IMAP4_SSL, target: Target, token: Bearer, record: Record) -> None:
    authenticate(imap, target.sender_address, token)
    assert "MOVE" in capabilities(imap)
    kind, folders = imap.list('""', "%")
    assert kind == "OK"
    # Names of folders are people's own: only that of the inbox is the same for all.
    found = [each.decode() for each in folders if isinstance(each, bytes) and b"INBOX" in each.upper()]
    record.lines("inbox", found)
    imap.select("INBOX", readonly=True)
    record.lines("closed", [words(imap.close())])


def test_login_for_a_mailbox_without_a_right(
    imap: imaplib.IMAP4_SSL, target: Target, token: Bearer, record: Record
) -> None:
    closed = needed(target.closed, needs.CLOSED)
    record.lines("login", [authenticate(imap, closed, token)])
    if imap.state == "AUTH":
        try:
            selected = words(imap.select("INBOX"))
        except imaplib.IMAP4.error as refusal:
            selected = _text(refusal)
        record.lines("selected", [selected])
        record.finding("selected", "User is authenticated but not connected" in selected, True)


@pytest.mark.parametrize("case", ["rubbish", "for Graph"])
async def test_token_is_refused(
    imap: imaplib.IMAP4_SSL, target: Target, entra: Entra, record: Record, case: str
) -> None:
    wrong = await entra.token(target.sender) if case == "for Graph" else Bearer("rubbish")
    refused = authenticate(imap, target.sender_address, wrong)
    record.lines("answer", [refused])
    assert refused.startswith("NO")


def test_password_is_refused(imap: imaplib.IMAP4_SSL, target: Target, record: Record) -> None:
    with pytest.raises(imaplib.IMAP4.error) as refusal:
        imap.login(target.sender_address, "not the password")
    record.lines("answer", [_text(refusal.value)])


def test_nothing_goes_before_the_login(imap: imaplib.IMAP4_SSL, record: Record) -> None:
    with pytest.raises(imaplib.IMAP4.error):
        imap.select("INBOX")
    # imaplib itself refuses it above; this asks the server.
    imap.state = "AUTH"
    try:
        answer = words(imap.select("INBOX"))
    except imaplib.IMAP4.error as refusal:
        answer = _text(refusal)
    record.lines("answer", [answer])
    assert "OK" not in answer
