"""Signing in by SMTP: in one line or as the answer to a challenge; refusals in Exchange's words; no session left."""

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from pillarbox.core import sasl
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.emulator import Certificates
from pillarbox.exchange import smtp
from pillarbox.exchange.login import Credentials, LoginRefused, UnknownHost, Unreachable, Untrusted
from tests.unit.exchange.conftest import ALICE, LONG, SHORT, Office, Play

EHLO = b"250-localhost\r\n250 AUTH LOGIN XOAUTH2"
REASON = base64.b64encode(json.dumps({"status": "400"}).encode())


def base64_of(credentials: Credentials) -> bytes:
    return base64.b64encode(sasl.xoauth2(credentials.user, credentials.token))


async def test_good_token_lets_us_in_and_nothing_stays_open(office: Office) -> None:
    assert await smtp.login(office.smtp, office.credentials) == "235 2.7.0 Authentication successful"
    assert len(office.emulator.ledger) == 0
    await office.no_session_left()


async def test_short_token_goes_in_one_line(play: Play) -> None:
    server = await play(lambda line: EHLO if line.startswith(b"EHLO") else b"235 2.7.0 in")
    assert await smtp.login(server.server, SHORT) == "235 2.7.0 in"
    assert server.heard[1] == b"AUTH XOAUTH2 " + base64_of(SHORT)


async def test_token_that_is_too_long_for_a_line_answers_the_challenge(play: Play) -> None:
    def script(line: bytes) -> bytes:
        if line.startswith(b"EHLO"):
            return EHLO
        return b"334" if line.startswith(b"AUTH") else b"235 2.7.0 in"

    server = await play(script)
    assert await smtp.login(server.server, LONG) == "235 2.7.0 in"
    assert server.heard[1:3] == [b"AUTH XOAUTH2", base64_of(LONG)]


@pytest.mark.parametrize("credentials", [SHORT, LONG])
async def test_reason_in_a_challenge_is_answered_by_an_empty_line(play: Play, credentials: Credentials) -> None:
    def script(line: bytes) -> bytes:
        if line.startswith(b"EHLO"):
            return EHLO
        if line == b"AUTH XOAUTH2":
            return b"334"
        return b"535 5.7.3 Authentication unsuccessful" if line == b"" else b"334 " + REASON

    server = await play(script)
    with pytest.raises(LoginRefused) as caught:
        await smtp.login(server.server, credentials)
    assert caught.value.params["reply"] == "535 5.7.3 Authentication unsuccessful"
    assert b"" in server.heard


async def test_refusal_keeps_exchanges_words_and_explains_them(office: Office) -> None:
    office.seed.tenant.smtp_auth = False
    with pytest.raises(LoginRefused) as caught:
        await smtp.login(office.smtp, office.credentials)
    error = caught.value
    assert str(error.params["reply"]).startswith("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication")
    assert error.sentence.startswith("SMTP sign-in (SMTP AUTH) is switched off for the whole organisation")
    assert "Graph" in error.cure
    await office.no_session_left()


async def test_refusal_that_nobody_knows_is_told_as_it_is(play: Play) -> None:
    server = await play(lambda line: EHLO if line.startswith(b"EHLO") else b"599 9.9.9 no\r\n")
    with pytest.raises(LoginRefused) as caught:
        await smtp.login(server.server, SHORT)
    assert caught.value.sentence == "localhost refuses the sign-in: 599 9.9.9 no"


async def test_greeting_that_refuses_is_a_refusal(office: Office) -> None:
    office.emulator.faults.add(method="SMTP", command="CONNECT", status=421, message="4.3.2 too many connections")
    with pytest.raises(LoginRefused) as caught:
        await smtp.login(office.smtp, office.credentials)
    assert "4.3.2" in str(caught.value.params["reply"])


async def test_server_that_hangs_up_is_unreachable(play: Play) -> None:
    server = await play(lambda line: EHLO if line.startswith(b"EHLO") else b"")
    with pytest.raises(Unreachable, match=f"localhost:{server.port} cannot be reached"):
        await smtp.login(server.server, SHORT)


@pytest.mark.parametrize("answer", [b"250 localhost\r\n", b"250-localhost\r\n250 AUTH XOAUTH2 LOGIN\r\n"])
async def test_without_starttls_the_token_is_not_said(play: Play, answer: bytes) -> None:
    """Who takes it out of the offers (RFC 3207 section 6) hears no token."""
    server = await play(lambda _line: b"235 2.7.0 in")
    server.beginning = (b"220 hello\r\n", answer, b"500 what?\r\n", b"500 what?\r\n")
    with pytest.raises(Unreachable):
        await smtp.login(server.server, SHORT)
    await server.deserted.wait()
    assert (server.heard, any(line.startswith(b"AUTH") for line in server.clear)) == ([], False)


async def test_what_was_said_before_tls_counts_for_nothing_inside(play: Play) -> None:
    """Replies that somebody on the way put behind that to STARTTLS (CVE-2021-38084 and its like)."""
    inside = {b"EHLO": EHLO, b"AUTH": b"535 5.7.3 no"}
    server = await play(lambda line: inside.get(line[:4], b"250 ok"))
    injected = b"250-evil\r\n250 AUTH XOAUTH2\r\n235 2.7.0 in\r\n"
    server.beginning = (*server.beginning[:2], server.beginning[2] + injected)
    with pytest.raises(LoginRefused, match=r"535 5\.7\.3 no"):
        await smtp.login(server.server, SHORT)


async def test_name_that_does_not_exist_is_told_as_such(office: Office) -> None:
    with pytest.raises(UnknownHost, match=r"DNS does not know smtp\.invalid"):
        await smtp.login(replace(office.smtp, host="smtp.invalid"), SHORT)


async def test_where_a_proxy_is_set_it_is_told_that_it_carries_no_smtp(office: Office) -> None:
    behind = replace(office.smtp, port=1, proxy="proxy.contoso.example:3128")
    with pytest.raises(Unreachable, match=r"the proxy proxy\.contoso\.example:3128 carries HTTPS alone") as caught:
        await smtp.login(behind, SHORT)
    assert "Open the firewall" in caught.value.cure


async def test_port_where_nobody_listens_is_unreachable(office: Office) -> None:
    with pytest.raises(Unreachable, match="localhost:1 cannot be reached"):
        await smtp.login(replace(office.smtp, port=1), SHORT)


async def test_foreign_certificate_is_not_trusted_and_hears_no_token(office: Office, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Certificates.make().ca)
    strict = replace(office.smtp, context=Outbound(tmp_path / "other.pem").ssl_context())
    with pytest.raises(Untrusted, match="The TLS certificate of localhost is not trusted"):
        await smtp.login(strict, office.credentials)
    assert office.emulator.ledger.requests["SMTP AUTH"] == 0
    await office.no_session_left()


async def test_token_stands_in_no_error(play: Play) -> None:
    server = await play(lambda line: EHLO if line.startswith(b"EHLO") else b"535 5.7.3 Authentication unsuccessful")
    secret = Credentials(ALICE, Secret("canary-token"))
    with pytest.raises(LoginRefused) as caught:
        await smtp.login(server.server, secret)
    for told in (repr(secret), str(caught.value), repr(caught.value.params)):
        assert "canary-token" not in told


async def test_it_works_on_the_loop_of_the_service_too(office: Office) -> None:
    server, credentials = office.smtp, office.credentials

    def on_uvloop() -> str:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(smtp.login(server, credentials))

    assert await asyncio.to_thread(on_uvloop) == "235 2.7.0 Authentication successful"
