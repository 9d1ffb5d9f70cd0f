"""The one sender policy: MAIL FROM and the From header."""

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.errors import Forbidden, PillarboxError
from pillarbox.core.headers import address_key
from pillarbox.delivery.senders import check_from, mailbox_for

APP = AppRegistration(1, "contoso", "t", "c")
MIKE, SHARED = Mailbox(1, "mike@contoso.example", APP), Mailbox(2, "info@ü.example", APP)
PRINTER = Submitter(
    1,
    "printer",
    {"mike@contoso.example": MIKE, "alias@contoso.example": MIKE, address_key("info@ü.example"): SHARED},
)


@pytest.mark.parametrize(
    ("sender", "mailbox"),
    [
        ("mike@contoso.example", MIKE),
        ("Mike@CONTOSO.example", MIKE),
        ("alias@contoso.example", MIKE),
        ("info@ü.example", SHARED),
        ("info@xn--tda.example", SHARED),
        ("", MIKE),
    ],
)
def test_the_mailbox_follows_from_the_envelope(sender: str, mailbox: Mailbox) -> None:
    assert mailbox_for(PRINTER, sender) is mailbox


@pytest.mark.parametrize(
    "sender",
    [
        "boss@contoso.example",
        "mike@contoso.example.evil",
        "mi\u212ae@contoso.example",
        "m\u0456ke@contoso.example",
        "mike",
        "@",
    ],
)
def test_a_foreign_envelope_is_refused(sender: str) -> None:
    with pytest.raises(Forbidden) as caught:
        mailbox_for(PRINTER, sender)
    assert (caught.value.code, caught.value.params["sender"]) == ("mail.sender_not_allowed", sender)


def test_who_has_no_mailbox_sends_nothing_not_even_from_nobody() -> None:
    with pytest.raises(Forbidden):
        mailbox_for(Submitter(0, "local", {}), "")


@pytest.mark.parametrize(
    "header",
    [
        b"mike@contoso.example",
        b"Mike <MIKE@contoso.example>",
        b'"Smith, Mike" <alias@contoso.example> (scanner)',
        b"=?utf-8?q?Chef=2C_Mike?= <mike@contoso.example>",
        b"=?utf-8?q?boss=40contoso.example?= <mike@contoso.example>",
        b'"boss@contoso.example" <mike@contoso.example>',
        b"Me: mike@contoso.example;",
        "Info <info@ü.example>".encode(),
        b"M\xfcller <mike@contoso.example>",
        b'"Jane (jane@visitor.example)" <mike@contoso.example>',
        b"=?utf-8?Q?Chef,_Mike?= <mike@contoso.example>",
        b'Dr. "Mike" Smith <mike@contoso.example>',
    ],
)
def test_an_own_address_may_stand_in_from(header: bytes) -> None:
    check_from(PRINTER, [header])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"boss@contoso.example", "mail.from_not_allowed"),
        (b"mike@contoso.example, alias@contoso.example", "mail.too_many_from"),
        (b"mike@contoso.example, boss@contoso.example", "mail.from_not_allowed"),
        (b"Us: mike@contoso.example, boss@contoso.example;", "mail.from_not_allowed"),
        (b'"x" <boss@contoso.example> "y" <mike@contoso.example>', "mail.from_not_allowed"),
        (b"", "mail.from_not_allowed"),
        (b"boss@contoso.example <mike@contoso.example>", "mail.from_not_allowed"),
        (b"mike@contoso.example <boss@contoso.example>", "mail.from_not_allowed"),
        (b"(mike@contoso.example) boss@contoso.example", "mail.from_not_allowed"),
        (b"boss@contoso.example (mike@contoso.example)", "mail.from_not_allowed"),
        (b"boss@contoso.example: mike@contoso.example;", "mail.from_not_allowed"),
        (b"<@boss.example:mike@contoso.example>", "mail.from_not_allowed"),
        (b"=?utf-8?q?mike=40contoso.example?=", "mail.from_not_allowed"),
        (b"mike@contoso.example\0", "mail.from_not_allowed"),
        (b'"mike"@contoso.example', "mail.from_not_allowed"),
        (b"m\xffike@contoso.example", "mail.from_not_allowed"),
        ("mi\u212ae@contoso.example".encode(), "mail.from_not_allowed"),
        ("m\u0456ke@contoso.example".encode(), "mail.from_not_allowed"),
        (b"Mike", "mail.from_not_allowed"),
    ],
)
def test_what_may_not_stand_in_from(header: bytes, code: str) -> None:
    with pytest.raises(PillarboxError) as caught:
        check_from(PRINTER, [header])
    assert caught.value.code == code
    assert caught.value.sentence.encode("utf-8")
