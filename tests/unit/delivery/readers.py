"""What Python's two parsers of addresses read in a From, beside what the sender policy accepts."""

import email
import email.policy
import email.utils

from hypothesis import strategies as st

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.errors import PillarboxError
from pillarbox.core.headers import address_key
from pillarbox.delivery.senders import Leave, leave

OWN, OTHER = "bob@contoso.example", "evil@x.example"
MAILBOX = Mailbox(1, OWN, AppRegistration(1, "contoso", "t", "c"))
SUBMITTER = Submitter(1, "scanner", {OWN: MAILBOX})

FIELD = st.lists(
    st.sampled_from(
        [
            *(OWN.encode(), OTHER.encode(), b"<bob@contoso.example>", b"<evil@x.example>", b"evil", b"<evil>", b"x"),
            *(b'"', b"\\", b"(", b")", b"<", b">", b",", b";", b":", b" ", b"\t", b"@", b"[", b"]", b".", b"?", b"="),
            *(b'"evil@x.example"', b'"a"', b'\\"', b'"a, b" ', b" (b)", b"\x0b", b"\xff", b"\xc3\xbc", b"\xe2\x80\xa8"),
            *(b"'", b"'bob@contoso.example'", b"'evil@x.example'", b"(b) ", b"(evil@x.example) "),
            *(b"=?utf-8?q?evil=40x.example=2C?=", b"=?utf-8?q?", b'=?x?q?"?=', b"?="),
        ]
    ),
    max_size=12,
).map(lambda pieces: b"".join(pieces).strip(b" \t"))
"""Values of a From that may name one address, two, or one for each reader."""


def is_accepted(value: bytes) -> bool:
    """Whether a From with this value may leave; then it leaves from the one mailbox there is."""
    try:
        left = leave(SUBMITTER, OWN, {b"from": [value]})
    except PillarboxError:
        return False
    assert left == Leave(MAILBOX)
    return True


def check_readers(value: bytes) -> bool:
    """Assert that no reader finds anybody but OWN in a value that is accepted; whether it is."""
    accepted = is_accepted(value)
    if accepted:
        assert {address_key(address) for address in _legacy(value) | _modern(value)} <= {OWN}
    return accepted


def _legacy(value: bytes) -> set[str]:
    found = email.utils.getaddresses([value.decode("utf-8", "surrogateescape")])
    return {address for _, address in found if address}


def _modern(value: bytes) -> set[str]:
    message = email.message_from_bytes(b"From: " + value + b"\r\n\r\n", policy=email.policy.default)
    try:
        return {address.addr_spec for address in message["from"].addresses if address.addr_spec != "<>"}
    except (AttributeError, TypeError, ValueError):  # of Python: a phrase that begins with a dot, a newline decoded
        return set()
