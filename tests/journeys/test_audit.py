"""Who did what, from the change to the list that an auditor reads."""

import ast
import asyncio
import csv
import io
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pillarbox import core
from pillarbox.access.audit import ELSEWHERE, Actor, Audit
from pillarbox.access.guard import Patience
from pillarbox.core.accounts import Login
from pillarbox.core.errors import AuthenticationFailed
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.audited import AuditedRoute
from pillarbox.store.audit import AuditLog
from tests.conftest import House, MakeHouse, Microsoft
from tests.journeys.test_test_button import SCANNER, added
from tests.service import pillarbox
from tests.unit.endpoints.test_apps import ask

DAY = 86_400.0


async def rows(house: House) -> list[dict[str, Any]]:
    status, text = await ask(house, "GET", "/api/v1/audit-events")
    assert status == 200
    return list(json.loads(text)["data"])


async def test_commands_without_a_service_are_written_down(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    await pillarbox("mailbox", "remove", "nobody@contoso.example", *given)
    code, output, errors = await pillarbox("audit", "list", "--json", *given)
    assert (code, errors) == (0, "")
    found = [(one["action"], one["subject"], one["outcome"], one["code"], one["peer"]) for one in json.loads(output)]
    mine = f"uid {os.getuid()}"
    assert found == [
        ("remove_mailbox", "nobody@contoso.example", "refused", "mailbox.not_found", mine),
        ("add_mailbox", SCANNER, "done", "", mine),
        ("add_app", "contoso", "done", "", mine),
    ]
    assert microsoft.seed.secrets[microsoft.seed.gateway.client_id] not in output

    code, output, _ = await pillarbox("audit", "list", "--csv", "--action", "add_app", *given)
    head, line = csv.reader(io.StringIO(output))
    told = dict(zip(head, line, strict=True))
    assert (code, told["action"], told["door"]) == (0, "add_app", "local")
    assert "client_secret" in told["fields"].split()


async def test_the_list_goes_on_behind_its_cursor(house: House) -> None:
    for number in range(3):
        await ask(house, "DELETE", f"/api/v1/mailboxes/x{number}@contoso.example")
    seen, cursor = [], ""
    while True:
        _, text = await ask(house, "GET", f"/api/v1/audit-events?limit=2&action=remove_mailbox{cursor}")
        page = json.loads(text)
        seen += [one["subject"][:2] for one in page["data"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["x2", "x1", "x0"]


async def test_the_text_of_a_message_leaves_a_trace_of_who_read_it(house: House) -> None:
    mail = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: x\r\n\r\nx\r\n"
    queue_id = await house.accept(mail, "alice@contoso.example")
    await ask(house, "GET", f"/api/v1/sends/{queue_id}")
    await ask(house, "GET", f"/api/v1/sends/{queue_id}/message?header=true")
    assert [(one["action"], one["subject"]) for one in await rows(house)] == [("export_send", queue_id)]


async def test_what_was_decided_says_who_did(house: House) -> None:
    mail = f"From: {SCANNER}\r\nTo: alice@contoso.example\r\nSubject: x\r\n\r\nx\r\n"
    await ask(house, "POST", "/api/v1/outbox:pause", {"mailbox": SCANNER, "reason": "x"})
    queue_id = await house.accept(mail.encode(), "alice@contoso.example")
    status, text = await ask(house, "POST", f"/api/v1/sends/{queue_id}:cancel")
    assert (status, json.loads(text)["state"]) == (200, "canceled")
    decided = [(one["action"], one["subject"]) for one in await rows(house)]
    assert decided == [("cancel_send", queue_id), ("pause_outbox", SCANNER)]


async def test_rows_are_kept_as_long_as_the_settings_say(make_house: MakeHouse) -> None:
    now = [1_800_000_000.0]
    house = await make_house({"retention.audit": str(10 * DAY)}, start=False, clock=lambda: now[0])
    await house.gateway.audit.record(actor(), "old")
    now[0] += 5 * DAY
    await house.gateway.audit.record(actor(), "new")
    now[0] += 6 * DAY
    await house.gateway.housekeeping.round()
    assert [row.action for row in await house.gateway.audit.list(limit=9)] == ["new"]


def actor() -> Actor:
    return Actor("key", "k1", "crm", "http", "192.0.2.1")


async def test_what_was_cut_off_has_no_end_and_says_so(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    # What is left where a process is killed between the two writes.
    with sqlite3.connect(tmp_path / "state" / "pillarbox.db") as store:
        store.execute("UPDATE audit SET outcome = '' WHERE action = 'add_mailbox'")
    store.close()
    _, output, _ = await pillarbox("audit", "list", *given)
    (line,) = (one for one in output.splitlines() if "add_mailbox" in one)
    assert line.endswith("cut off")


async def test_an_act_that_is_canceled_stays_without_an_end(house: House) -> None:
    begun = asyncio.Event()

    async def act() -> None:
        async with house.gateway.audit.acting(actor(), "x"):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(act())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(row.action, row.outcome) for row in await house.gateway.audit.list(limit=9)] == [("x", "")]


async def test_acts_at_the_same_time_have_each_their_own_row_and_end(house: House) -> None:
    async def act(number: int) -> None:
        async with house.gateway.audit.acting(actor(), "x", str(number)) as done:
            if number % 2:
                done.refuse("odd")

    await asyncio.gather(*map(act, range(50)))
    rows = await house.gateway.audit.list(limit=99)
    assert {(row.subject, row.outcome) for row in rows} == {
        (str(number), "refused" if number % 2 else "done") for number in range(50)
    }
    assert len({row.seq for row in rows}) == 50


async def test_what_a_client_does_again_and_again_is_written_down_once_an_hour(house: House) -> None:
    now, log = [0.0], AuditLog(house.gateway.database, lambda: 0.0)
    audit = Audit(log, house.gateway.log, lambda: now[0])
    for moment in (0.0, 10.0, 3599.0, 3600.0):
        now[0] = moment
        audit.soon(actor(), "log_in", "printer", outcome="refused")
    audit.soon(actor(), "log_in", "scanner", outcome="refused")
    await audit.close()
    assert [row.subject for row in await log.list(limit=9)] == ["scanner", "printer", "printer"]


async def test_every_action_stands_in_the_reference(house: House) -> None:
    """Those of routes are made from them; the others are in a list, which is whole."""
    src, said = Path(core.__file__).parents[1], set()
    for file in (file for folder in ("access", "endpoints") for file in (src / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("record", "soon", "acting"):
                said |= {one.value for one in node.args[1:2] if isinstance(one, ast.Constant)}
    routes = {route.name for route in house.gateway.api.routes if isinstance(route, AuditedRoute) and route.is_audited}
    assert said - routes == set(ELSEWHERE)


async def test_bans_and_logins_of_the_disabled_are_written_down(make_house: MakeHouse) -> None:
    house = await make_house(start=False, login_patience=Patience(least_delay=0.0, of_site=2))
    await house.furnish("scanner@contoso.example")
    submitters = house.gateway.submitters
    await submitters.change("printer", {"enabled": False})
    right = Login("printer", Secret(house.passwords["printer"]), "PLAIN", "192.0.2.7")
    for login in (right, replace(right, secret=Secret("wrong"))):
        with pytest.raises(AuthenticationFailed):
            await submitters.authenticate(login)
    await house.gateway.audit.close()
    found = await house.gateway.audit.list(limit=9)
    assert {(one.actor_kind, one.actor_name, one.action, one.peer, one.outcome) for one in found} >= {
        ("submitter", "printer", "log_in", "192.0.2.7", "refused"),
        ("nobody", "printer", "ban_address", "192.0.2.7", "done"),
    }
