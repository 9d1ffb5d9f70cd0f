"""Postfix relays to our door, as on a server that has it as relayhost: nothing is lost, nothing comes twice."""

import asyncio
from collections import Counter

import pytest

from tests.clients.long import long_test
from tests.conftest import House
from tests.postfix import Postfix, needs_postfix, needs_root, postfix, run

pytestmark = [needs_postfix, needs_root]

MANY = 1000
SPLIT = 50
"""Postfix's own limit: it makes several transactions of a mail to more recipients."""
SENDER = "scanner@contoso.example"


def relaying(house: House) -> tuple[dict[str, str], dict[str, str]]:
    """main.cf of a Postfix that has our door as relayhost, as docs/how-to/postfix.md says, and its password file."""
    host, port = house.smtp
    door = f"[{host}]:{port}"
    main = {
        "relayhost": door,
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": "texthash:{folder}/sasl_passwd",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_tls_security_level": "encrypt",
        "smtp_tls_connection_reuse": "yes",
        "smtp_connection_cache_destinations": door,
        "smtp_destination_concurrency_limit": "4",
        "smtp_destination_recipient_limit": str(SPLIT),
    }
    return main, {"sasl_passwd": f"{door} printer:{house.passwords['printer']}\n"}


async def hand_in(relay: Postfix, *options: str) -> None:
    """smtp-source gives Postfix mails: `-m` of them, `-N` numbers each recipient, `-r` recipients each."""
    await run("smtp-source", "-f", SENDER, "-t", "to@fabrikam.example", *options, f"unix:{relay.socket}")


async def settled(house: House) -> Counter[str]:
    """How often each recipient was sent a mail, once nothing is on its way any more."""
    for row in await house.gateway.outbox.list(state=None, before=None, limit=2 * MANY + 1):
        await house.settled(row["id"])
    return Counter(to for entry in house.microsoft.emulator.ledger.entries for to in entry.recipients)


def numbered(count: int) -> Counter[str]:
    """The recipients that smtp-source -N makes, each once."""
    return Counter(f"{number}to@fabrikam.example" for number in range(1, count + 1))


@long_test
@pytest.mark.timeout(300)
async def test_postfix_relays_a_thousand_messages_over_kept_connections_and_loses_none(house: House) -> None:
    async with postfix(*relaying(house)) as relay:
        await hand_in(relay, "-s", "8", "-m", str(MANY), "-N", "-l", "4096")
        await relay.drained()
        assert relay.log.count("status=sent (250 2.0.0 queued as ") == MANY, relay.log[-4000:]
        assert relay.log.count("conn_use=") > MANY / 2
    assert await settled(house) == numbered(MANY)


async def test_postfix_splits_a_mail_to_120_recipients_and_each_gets_it_once(house: House) -> None:
    async with postfix(*relaying(house)) as relay:
        await hand_in(relay, "-m", "1", "-r", "120", "-N")
        await relay.drained()
    rows = await house.gateway.outbox.list(state=None, before=None, limit=10)
    assert sorted(len(row["recipients"]) for row in rows) == [20, SPLIT, SPLIT]
    assert await settled(house) == numbered(120)


@long_test
@pytest.mark.timeout(300)
async def test_smtp_source_hands_in_two_thousand_messages_at_our_door_itself(house: House) -> None:
    host, port = house.smtp
    # smtp-source knows no AUTH: it comes in by its network.
    await house.gateway.submitters.change("printer", {"networks": ["127.0.0.0/8"]})
    for kept in ("-d", ""):
        load = ["-s", "8", "-m", str(MANY), "-N", "-l", "4096", *filter(None, [kept])]
        await run("smtp-source", *load, "-f", SENDER, "-t", "to@fabrikam.example", f"{host}:{port}")
    assert await settled(house) == numbered(MANY) + numbered(MANY)


async def test_postfix_bounces_what_we_refuse_and_keeps_nothing(house: House) -> None:
    async with postfix(*relaying(house)) as relay:
        await run("smtp-source", "-f", "other@contoso.example", "-t", "to@fabrikam.example", f"unix:{relay.socket}")
        await asyncio.wait_for(relay.drained(), 20)
        assert "status=bounced" in relay.log
        assert "550 5.7.1" in relay.log or "553 5.7.1" in relay.log
    assert await settled(house) == {}
