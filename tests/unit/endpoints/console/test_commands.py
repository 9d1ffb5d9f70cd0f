"""Where the console does what the cures' commands do."""

import re

import pytest

from pillarbox.core import catalogue
from pillarbox.core.caller import SCOPES_OF, Role
from pillarbox.endpoints.console.commands import place_of
from tests.unit.endpoints.console.conftest import Site

_COMMAND = re.compile(r"`(pillarbox [^`]*)`")


@pytest.mark.parametrize(
    ("command", "path", "way"),
    [
        ("pillarbox key list", "/keys", "API keys"),
        ("pillarbox key add", "/keys/:new", "API keys > Add"),
        ("pillarbox submitter add printer", "/submitters/:new", "Devices and programs > Add"),
        (
            "pillarbox app secret contoso",
            "/apps/contoso/credentials/:new",
            "App registrations > contoso > Add a credential",
        ),
        ("pillarbox app secret NAME", "/apps", "App registrations > Add a credential"),
        ("pillarbox app credential list contoso", "/apps/contoso", "App registrations > contoso"),
        (
            "pillarbox app credential remove contoso cred_1",
            "/apps/contoso#cred_1",
            "App registrations > contoso > Remove the credential",
        ),
        ("pillarbox app test contoso", "/apps/contoso", "App registrations > contoso > Test"),
        ("pillarbox submitter token add", "/submitters", "Devices and programs > Make a token"),
        (
            "pillarbox app certificate new contoso",
            "/apps/contoso/credentials/:new",
            "App registrations > contoso > Add a credential",
        ),
        (
            "pillarbox mailbox test a@contoso.example --to ADDRESS",
            "/mailboxes/a%40contoso.example/test",
            "Mailboxes > a@contoso.example > Test",
        ),
        (
            "pillarbox submitter change printer --rate",
            "/submitters/printer/change",
            "Devices and programs > printer > Change",
        ),
        (
            "pillarbox submitter change printer --enable",
            "/submitters/printer",
            "Devices and programs > printer > Let in again",
        ),
        ("pillarbox submitter let-in 192.0.2.7", "/submitters", "Devices and programs > Let this address in now"),
        ("pillarbox outbox retry --state held", "/outbox?state=held", "Outbox > Send again"),
        ("pillarbox outbox resolve QUEUE_ID --sent", "", "Outbox > It was sent"),
        ("pillarbox outbox show 01M7WYVM0TTJ32FJ", "/outbox/01M7WYVM0TTJ32FJ", "Outbox > 01M7WYVM0TTJ32FJ"),
        (
            "pillarbox app secret ../people",
            "/apps/..%2Fpeople/credentials/:new",
            "App registrations > ../people > Add a credential",
        ),
    ],
)
def test_a_command_leads_to_its_page(command: str, path: str, way: str) -> None:
    place = place_of(command)
    assert place is not None
    assert (place.path, " > ".join(part for part in (place.name, place.thing, place.act) if part)) == (path, way)


@pytest.mark.parametrize(
    "command",
    ["pillarbox vault rotate", "pillarbox outbox export --header", "pillarbox", "smtp.listen", "", "keys key list"],
)
def test_what_has_no_page_stays_a_command(command: str) -> None:
    assert place_of(command) is None


async def test_each_place_that_a_cure_of_ours_names_is_there(site: Site) -> None:
    entries = [*catalogue.entries().values(), *catalogue.findings().values()]
    texts = [text for entry in entries for text in (entry.sentence, entry.cure)]
    places = {place_of(command) for text in texts for command in _COMMAND.findall(text) if "{" not in command}
    visitor = await site.signed_in()
    paths = {place.path for place in places if place and place.path}
    assert len(paths) > 5
    for path in paths:
        assert (await visitor.look(path)).status == 200, path


@pytest.mark.parametrize("command", ["pillarbox mailbox add", "pillarbox mailbox test scanner@contoso.example"])
async def test_nobody_is_led_to_a_page_that_they_may_not_open(site: Site, command: str) -> None:
    place = place_of(command)
    assert place is not None
    for name, role in (("anna", Role.ADMIN), ("otto", Role.OPERATOR), ("alma", Role.AUDITOR)):
        visitor = await site.signed_in(name)
        assert ((await visitor.look(place.path)).status == 200) == (place.scope in SCOPES_OF[role]), name


async def test_a_cure_links_to_the_page_for_whoever_may_open_it(site: Site) -> None:
    anna, otto = await site.signed_in(), await site.signed_in("otto")
    seen = await anna.look("/keys/nobody")
    assert "API keys shows them." in seen.text
    assert "`" not in seen.text
    assert seen.links.count("/keys") == 2  # in the menu too
    refused = await otto.look("/keys/nobody")
    assert "/keys" not in refused.links
    assert "Your role does not allow this. Ask an administrator" in refused.text
