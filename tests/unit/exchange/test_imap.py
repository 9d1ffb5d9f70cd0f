"""Signing in by IMAP: only SELECT shows that the mailbox is reached; refusals in Exchange's words, no session left."""

from dataclasses import replace
from pathlib import Path

import pytest

from pillarbox.core import sasl
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.emulator import Certificates
from pillarbox.exchange import imap
from pillarbox.exchange.login import Credentials, LoginRefused, Unreachable, Untrusted
from tests.unit.exchange.conftest import ALICE, Office

BAD = Credentials(ALICE, Secret("canary-token"))


async def test_good_token_opens_inbox_and_nothing_stays_open(office: Office) -> None:
    assert await imap.login(office.imap, office.credentials) == "INBOX 0 EXISTS"
    assert office.emulator.ledger.done["IMAP SELECT"] == office.emulator.ledger.done["IMAP LOGOUT"] == 1
    await office.no_session_left()


@pytest.mark.parametrize("challenged", [False, True])
async def test_refused_token_is_told_in_exchanges_words(office: Office, challenged: bool) -> None:
    office.emulator.world.imap_challenges_bad_tokens = challenged
    with pytest.raises(LoginRefused) as caught:
        await imap.login(office.imap, BAD)
    assert caught.value.params["reply"] == "NO AUTHENTICATE failed."
    assert "IMAP.AccessAsUser.All" in caught.value.cure
    assert "canary-token" not in str(caught.value) + repr(caught.value.params) + repr(BAD)
    await office.no_session_left()


def test_reason_in_a_challenge_is_answered_by_an_empty_line() -> None:
    answer = imap._answers(BAD)
    assert answer(b"") == sasl.xoauth2(BAD.user, BAD.token)
    assert [answer(b'{"status":"400"}'), answer(b"what?")] == [b"", b""]


async def test_authenticated_but_not_connected_is_a_refusal(office: Office) -> None:
    office.emulator.world.mailbox(ALICE).imap = False
    with pytest.raises(LoginRefused) as caught:
        await imap.login(office.imap, office.credentials)
    assert caught.value.params["reply"] == "BAD User is authenticated but not connected."
    assert caught.value.sentence.startswith("The token is good, but it gives no right to this mailbox.")
    await office.no_session_left()


async def test_connection_that_is_cut_is_unreachable(office: Office) -> None:
    office.emulator.faults.add(method="IMAP", command="AUTHENTICATE", cut=True)
    with pytest.raises(Unreachable):
        await imap.login(office.imap, office.credentials)


async def test_port_where_nobody_listens_is_unreachable(office: Office) -> None:
    with pytest.raises(Unreachable, match="localhost:1 cannot be reached"):
        await imap.login(replace(office.imap, port=1), BAD)


async def test_server_that_says_nothing_is_given_up(office: Office) -> None:
    office.emulator.faults.add(method="IMAP", command="CONNECT", delay=30)
    with pytest.raises(Unreachable, match="no answer in time"):
        await imap.login(replace(office.imap, timeout=0.2), BAD)


async def test_foreign_certificate_is_not_trusted_and_hears_no_token(office: Office, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Certificates.make().ca)
    strict = replace(office.imap, context=Outbound(tmp_path / "other.pem").ssl_context())
    with pytest.raises(Untrusted, match="The TLS certificate of localhost is not trusted"):
        await imap.login(strict, BAD)
    assert office.emulator.ledger.requests["IMAP AUTHENTICATE"] == 0
