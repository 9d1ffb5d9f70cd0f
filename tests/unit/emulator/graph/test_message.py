"""The message resource and the composing of mails, against anything that may come."""

import contextlib
import json
import secrets
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.message import PROPERTIES, show
from pillarbox.emulator.mail.compose import compose
from pillarbox.emulator.mail.headers import addresses, headers_of
from pillarbox.emulator.world import User
from pillarbox.emulator.world.mailbox import Mailbox

NAMES = st.sampled_from([b"From", b"To", b"Subject", b"Content-Type", b"Content-Disposition", b"Sender"])
VALUES = st.binary(max_size=40) | st.sampled_from(
    [
        b"=?x?b?!?=",
        b"=?utf-8?q?=FF?=",
        b"multipart/mixed; boundary=a",
        b"text/html; charset=\xff",
        b"a; filename*=x'y'%",
    ]
)
MAILS = st.builds(
    lambda headers, body: b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n" + body,
    st.lists(st.tuples(NAMES, VALUES)),
    st.binary(max_size=60) | st.just(b"--a\r\n\r\nx\r\n--a--\r\n"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda kind: st.lists(kind) | st.dictionaries(st.text(), kind),
)
PEOPLE = st.lists(
    st.fixed_dictionaries({"emailAddress": st.fixed_dictionaries({"address": st.text(), "name": st.text()})})
)
FIELDS = ["subject", "body", "toRecipients", "from", "attachments", "internetMessageHeaders", "internetMessageId"]
ALICE = User("1", "alice@contoso.example", "Alice")


@settings(deadline=None)
@given(MAILS)
def test_any_mail_can_be_shown(mail: bytes) -> None:
    message = Mailbox(secrets.token_bytes).add("inbox", mail, "<1@x>", 0.0)
    json.dumps(show(message, list(PROPERTIES))).encode()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON | PEOPLE))
def test_any_json_becomes_mime_or_is_refused(message: dict[str, Any]) -> None:
    with contextlib.suppress(GraphError):
        assert addresses(headers_of(compose(message, ALICE, secrets.token_bytes, 0.0)), "from")
