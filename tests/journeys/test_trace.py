"""How a message came in, and what its client asked for, is shown with it."""

import json

from pillarbox.core.content import in_memory
from pillarbox.core.mail import Arrival, Dsn, Envelope
from tests.conftest import House
from tests.service import pillarbox

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: hello\r\n\r\nhello\r\n"
TO = "alice@contoso.example"


async def traced(house: House, arrival: Arrival, dsn: Dsn) -> tuple[str, dict[str, object]]:
    """A message as `outbox show` shows it, to people and to scripts."""
    submitter = await house.gateway.submitters.get("printer")
    envelope = Envelope("scanner@contoso.example", (TO,), dsn)
    queue_id = await house.gateway.submission.accept(envelope, in_memory(MAIL), submitter, arrival=arrival)
    await house.settled(queue_id)
    environ = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    _, shown, _ = await pillarbox("outbox", "show", queue_id, environ=environ)
    _, written, _ = await pillarbox("outbox", "show", queue_id, "--json", environ=environ)
    return shown, json.loads(written)


async def test_everything_that_is_known_is_shown(house: House) -> None:
    arrival = Arrival("smtp", "scanners", "192.0.2.7", "copier-3", "ESMTPSA", ("A line was longer than it may be.",))
    dsn = Dsn("HDRS", "QQ+3D", {TO: "SUCCESS,FAILURE"}, {TO: "rfc822;a@x.example"})
    shown, trace = await traced(house, arrival, dsn)
    assert "Came in:       smtp (scanners), ESMTPSA, from 192.0.2.7, which calls itself copier-3\n" in shown
    assert "RET=HDRS" in shown
    assert "ENVID=QQ+3D" in shown
    assert f"<{TO}> NOTIFY=SUCCESS,FAILURE" in shown
    assert f"<{TO}> ORCPT=rfc822;a@x.example" in shown
    assert "\nA line was longer than it may be.\n" in shown
    assert trace["arrival"] == {
        "door": "smtp",
        "listener": "scanners",
        "peer": "192.0.2.7",
        "hello": "copier-3",
        "protocol": "ESMTPSA",
        "trace": "",
    }
    assert trace["notes"] == ["A line was longer than it may be."]
    assert trace["dsn"] == {
        "ret": "HDRS",
        "envid": "QQ+3D",
        "notify": {TO: "SUCCESS,FAILURE"},
        "orcpt": {TO: "rfc822;a@x.example"},
    }


async def test_what_is_not_known_is_left_out(house: House) -> None:
    shown, trace = await traced(house, Arrival("api"), Dsn())
    assert "Came in:       api\n" in shown
    assert "Notifications" not in shown
    assert trace["notes"] == []
