"""Postfix relays to our door, as on a server that has it as relayhost: nothing is lost, nothing comes twice."""

import asyncio
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from pillarbox.core.tls import self_made_certificate
from tests.clients.long import long_test
from tests.conftest import House
from tests.postfix import Postfix, needs_postfix, needs_root, postfix, run

pytestmark = [needs_postfix, needs_root]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "postfix-relayhost.md"
MANY = 1000
SPLIT = 50
"""Postfix's own limit: it makes several transactions of a mail to more recipients."""
SENDER = "scanner@contoso.example"


def blocks() -> dict[str, str]:
    """The files that the page has one write, by what stands before them: `main.cf`, `sasl_passwd`, `generic`."""
    text = PAGE.read_text("utf-8")
    main = re.search(r"^## 2\. `/etc/postfix/main\.cf`.*?^```ini\n(.*?)^```", text, re.M | re.S)
    assert main is not None
    files = re.findall(r"^`/etc/postfix/(sasl_passwd|generic)`.*?^```\n(.*?)^```", text, re.M | re.S)
    return {"main.cf": main[1], **dict(files)}


def relaying(house: House, **more: str) -> tuple[dict[str, str], dict[str, str]]:
    """main.cf and the files beside it as docs/how-to/postfix-relayhost.md has them; only names and places are ours."""
    trusted = house.gateway.settings.state_dir / "tls-cert.pem"
    ours = {
        "[mail.contoso.example]:587": f"[localhost]:{house.smtp[1]}",
        "hash:/etc/postfix/": "texthash:{folder}/",
        "/etc/postfix/": "{folder}/",
        "postfix-app1:PASSWORD": f"printer:{house.passwords['printer']}",
        "alerts@contoso.example": SENDER,
    }
    files = blocks()
    for name, text in files.items():
        for theirs, own in ours.items():
            text = text.replace(theirs, own)
        files[name] = text
    lines = [line for line in files.pop("main.cf").splitlines() if line and not line.startswith("#")]
    main = dict(line.split(" = ", 1) for line in lines)
    return main | more, {**files, "pillarbox.pem": trusted.read_text()}


async def hand_in(relay: Postfix, *options: str) -> None:
    """smtp-source gives Postfix mails: `-m` of them, `-N` numbers each recipient, `-r` recipients each."""
    await run("smtp-source", "-f", SENDER, "-t", "to@fabrikam.example", *options, f"unix:{relay.socket}")


async def settled(house: House) -> Counter[str]:
    """How often each recipient was sent a mail, once nothing is on its way any more."""
    for row in (await house.gateway.outbox.page(2 * MANY + 1))[0]:
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


async def test_as_the_page_says_what_leaves_is_encrypted_and_has_an_address_of_the_submitter(house: House) -> None:
    async with postfix(*relaying(house)) as relay:
        await run("smtp-source", "-f", "root@app1.contoso.example", "-t", "to@fabrikam.example", f"unix:{relay.socket}")
        await relay.drained()
        assert "Verified TLS connection established to localhost[127.0.0.1]" in relay.log, relay.log[-4000:]
    (row,), _ = await house.gateway.outbox.page(10)
    assert row["sender"] == SENDER
    assert await settled(house) == {"to@fabrikam.example": 1}


async def test_as_the_page_says_a_certificate_that_is_not_known_gets_no_password(house: House, tmp_path: Path) -> None:
    main, files = relaying(house)
    other, _ = self_made_certificate(tmp_path, "localhost", time.time())
    files["pillarbox.pem"] = other.read_text()
    async with postfix(main, files) as relay:
        await hand_in(relay, "-m", "1")
        while "status=deferred (Server certificate not " not in relay.log:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    assert await settled(house) == {}


async def test_postfix_sends_a_mail_to_120_recipients_at_once_as_the_page_says(house: House) -> None:
    async with postfix(*relaying(house)) as relay:
        await hand_in(relay, "-m", "1", "-r", "120", "-N")
        await relay.drained()
    (row,), _ = await house.gateway.outbox.page(10)
    assert len(row["recipients"]) == 120
    assert await settled(house) == numbered(120)


async def test_postfix_splits_a_mail_to_120_recipients_and_each_gets_it_once(house: House) -> None:
    async with postfix(*relaying(house, smtp_destination_recipient_limit=str(SPLIT))) as relay:
        await hand_in(relay, "-m", "1", "-r", "120", "-N")
        await relay.drained()
    rows, _ = await house.gateway.outbox.page(10)
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
        # Not of the host whose addresses `generic` puts right.
        await run("smtp-source", "-f", "other@contoso.example", "-t", "to@fabrikam.example", f"unix:{relay.socket}")
        await asyncio.wait_for(relay.drained(), 20)
        assert "status=bounced" in relay.log
        assert "550 5.7.1" in relay.log or "553 5.7.1" in relay.log
    assert await settled(house) == {}
