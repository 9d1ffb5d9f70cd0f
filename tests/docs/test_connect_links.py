"""The commands of docs/how-to/connect-links.md and follow-events.md, run as they stand there: from a link to a mail."""

import asyncio
import os
import re
import sys
from pathlib import Path

from pillarbox.admin import apps
from pillarbox.core.vault import Secret
from tests.conftest import House
from tests.unit.endpoints.test_connect_links import ALICE, Site, clock, site

__all__ = ["clock", "site"]  # fixtures
GUIDES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
MAIL = b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nSubject: hello\r\n\r\nhello\r\n"


def scripts(page: str) -> list[str]:
    """The scripts of a page that run our commands."""
    found = re.findall(r"^```sh\n(.*?)^```$", (GUIDES / page).read_text("utf-8"), re.M | re.S)
    return [script for script in found if script.startswith("pillarbox ")]


async def run(house: House, script: str) -> str:
    """What a script says that succeeds."""
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-euc", script),
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PILLARBOX_SOCKET": str(house.gateway.settings.socket),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await shell.communicate()
    assert (shell.returncode, errors) == (0, b""), output
    return output.decode()


async def test_a_link_is_made_a_person_signs_in_and_mail_goes(site: Site) -> None:
    gateway, seed = site.house.gateway, site.house.microsoft.seed
    secret = Secret(seed.secrets[seed.web.client_id])
    await apps.add(gateway.accounts, "people", seed.tenant.id, seed.web.client_id, secret)
    (script,) = scripts("connect-links.md")
    url, told, *_ = (await run(site.house, script)).splitlines()
    link_id = told.rpartition(" ")[2]
    done = await site.sign_in(url)
    assert f"{ALICE} is connected" in done.text
    assert (await site.link({"id": link_id}))["state"] == "completed"
    await gateway.submitters.change("printer", {"mailboxes": [ALICE]})
    row = await site.house.settled(await site.house.accept(MAIL, "bob@contoso.example", sender=ALICE))
    assert row["request_id"]
    events, *_ = scripts("follow-events.md")
    shown = await run(site.house, "\n".join(line for line in events.splitlines() if "--follow" not in line))
    for type in ("mailbox.signed_in", "connect_link.completed", "send.sent"):
        assert type in shown
