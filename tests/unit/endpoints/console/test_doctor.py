"""The doctor, the settings, the audit log and what is shipped, as pages."""

import asyncio
import io
import json
import re
import tarfile
from datetime import UTC, datetime
from typing import Any

from pillarbox.access.audit import Actor
from tests.unit.endpoints.console.conftest import Seen, Site, Visitor

ROBOT = Actor("key", "1", "robot", "http", "192.0.2.1")
_FOLD = re.compile(r'<details class="section"( open)?>\s*<summary><h2><code>\[(.*?)\]')
"""A section of the settings: whether it is open, and its name."""


async def diagnosed(visitor: Visitor) -> Seen:
    """The page of the doctor, once it is done."""
    await visitor.look("/doctor")
    seen = await visitor.fill_in("/doctor")
    while "The doctor is at work." in seen.text:
        assert seen.headers["Refresh"] == "2"
        seen = await visitor.look("/doctor")
    assert "Refresh" not in seen.headers
    return seen


async def test_the_doctor_is_run_and_its_findings_are_kept_until_the_next(admin: Visitor) -> None:
    assert "Not run since the start" in (await admin.look("/doctor")).text
    seen = await diagnosed(admin)
    assert "Mailboxes that can send, by a test without a mail: 2." in seen.text
    assert "Not run since the start" not in seen.text
    assert "Mailboxes that can send" in (await admin.look("/doctor")).text


async def test_one_doctor_runs_at_a_time_and_the_others_are_told_so(site: Site, admin: Visitor) -> None:
    token = (await admin.look("/doctor")).form("/doctor").fields
    others = [Visitor(admin.url, site.session, dict(admin.cookies)) for _ in range(4)]
    seen = await asyncio.gather(*(each.send("/doctor", token) for each in others))
    refused = [each for each in seen if each.status == 409]
    assert len(refused) == 3
    assert all("The doctor is at work already, for somebody else." in each.text for each in refused)
    while "The doctor is at work." in (await admin.look("/doctor")).text:
        pass


async def test_the_archive_holds_findings_and_facts_and_addresses_only_where_they_are_wanted(
    site: Site, admin: Visitor
) -> None:
    assert (await admin.look("/doctor/archive")).url.endswith("/doctor")
    await diagnosed(admin)
    held = {}
    for query in ("", "?addresses=yes"):
        async with site.session.get(
            f"{admin.url}/doctor/archive{query}",
            headers={"Cookie": "; ".join(f"{k}={v}" for k, v in admin.cookies.items())},
        ) as answer:
            assert answer.headers["Content-Disposition"] == 'attachment; filename="pillarbox-support.tar.gz"'
            with tarfile.open(fileobj=io.BytesIO(await answer.read())) as archive:
                held[query] = {
                    one.name: json.loads(archive.extractfile(one).read())  # type: ignore[union-attr]
                    for one in archive.getmembers()
                }
    assert set(held[""]) == {"pillarbox-support/doctor.json", "pillarbox-support/facts.json"}
    assert "scanner@contoso.example" not in json.dumps(held[""])
    assert "scanner@contoso.example" in json.dumps(held["?addresses=yes"])


async def test_who_may_not_run_the_doctor_sees_neither_it_nor_the_settings(site: Site) -> None:
    auditor = await site.signed_in("alma")
    for path in ("/doctor", "/settings"):
        assert (await auditor.look(path)).status == 403
    assert "/doctor" not in (await auditor.look("/about")).links


async def test_settings_show_value_origin_and_meaning_and_no_secret(make_site: Any) -> None:
    site: Site = await make_site({"smtp.banner": "<script>x</script>", "microsoft.proxy": "http://u:p4ss@127.0.0.1:1"})
    seen = await (await site.signed_in()).look("/settings")
    assert "--set smtp.banner" in seen.text
    assert "What the greeting says behind our name." in seen.text
    assert "<script>x" not in seen.html
    assert "p4ss" not in seen.html
    assert "********" in seen.text or "***" in seen.text
    assert len(seen.html) < 100_000


async def test_settings_that_were_set_come_first_and_the_others_are_folded_and_searched(make_site: Any) -> None:
    site: Site = await make_site({"smtp.banner": "Good morning"})
    visitor = await site.signed_in()
    seen = await visitor.look("/settings")
    assert {opened for opened, _ in re.findall(_FOLD, seen.html)} == {""}
    assert seen.html.index("<code>smtp.banner</code>") < seen.html.index('<details class="section">')
    seen = await visitor.look("/settings?q=BANNER")
    assert re.findall(_FOLD, seen.html) == [(" open", "smtp")]
    assert "Good morning" in seen.text
    assert "Nothing here" in (await visitor.look("/settings?q=nothing+is+called+so")).text


async def test_the_audit_log_speaks_the_readers_language_and_keeps_the_names_of_the_api(site: Site) -> None:
    await site.house.gateway.audit.record(ROBOT, "add_mailbox", "m@contoso.example")
    await site.house.gateway.audit.record(ROBOT, "rotate_vault", "")
    visitor = await site.signed_in(language="uk")
    seen = await visitor.look("/audit")
    assert 'title="add_mailbox">Додати скриньку<' in seen.html
    assert 'title="rotate_vault">rotate_vault<' in seen.html
    seen = await visitor.look("/audit?action=rotate_vault")
    assert '<option value="rotate_vault" selected>' in seen.html
    assert "m@contoso.example" not in seen.text


async def test_the_audit_log_is_filtered_and_paged(site: Site, admin: Visitor) -> None:
    for number in range(60):
        await site.house.gateway.audit.record(ROBOT, "add_mailbox", f"m{number:02}@contoso.example", fields=["app"])
    seen = await admin.look("/audit?actor=robot&action=add_mailbox")
    assert "m59@contoso.example" in seen.text
    assert "m09@contoso.example" not in seen.text
    older = next(link for link in seen.links if "cursor=" in link)
    assert "actor=robot" in older
    seen = await admin.look(older)
    assert "m09@contoso.example" in seen.text
    assert "m59@contoso.example" not in seen.text
    for nothing in ("actor=nobody-else", "action=sing_in", "since=2999-01-01", "until=1999-01-01"):
        assert "Nothing here" in (await admin.look(f"/audit?{nothing}")).text
    today = datetime.now(UTC).date().isoformat()
    assert "m59@contoso.example" in (await admin.look(f"/audit?since={today}&until={today}")).text


async def test_a_day_that_is_none_is_refused_beside_the_filter(admin: Visitor) -> None:
    for day in ("tomorrow", "9999-12-31", "2027-02-30"):
        seen = await admin.look(f"/audit?until={day}&actor=anna")
        assert seen.status == 422
        assert "is no day" in seen.text
        assert 'value="anna"' in seen.html


async def test_the_sheet_has_all_acts_and_nothing_to_calculate(site: Site, admin: Visitor) -> None:
    await site.house.gateway.audit.record(ROBOT, "add_mailbox", "=cmd|'/c calc'!a0")
    seen = await admin.look("/audit/csv")
    lines = seen.html.splitlines()
    assert seen.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert lines[0].lstrip("\ufeff").startswith("at,actor_kind,")
    assert any("'=cmd" in line for line in lines)
    assert not any(",=cmd" in line or line.startswith("=") for line in lines)
    assert "sign_in" in (await admin.look("/audit/csv?action=sign_in")).html
    assert len((await admin.look("/audit/csv?action=nothing_such")).html.splitlines()) == 1
    assert (await (await site.signed_in("otto")).look("/audit/csv")).status == 403


async def test_about_names_what_is_shipped_and_its_licence(admin: Visitor) -> None:
    seen = await admin.look("/about")
    assert "cryptography" in seen.text
    assert "Apache-2.0 OR BSD-3-Clause" in seen.text
    assert "/healthz" in seen.links
