"""The one sender policy: MAIL FROM and every From, Sender and Resent-* header, and the recipients.

The table of threat 8 (who is logged in, MAIL FROM, From) is `MATRIX`: every row says the mailbox it leaves from, or the
code it is refused with. tests/journeys/test_sender_policy.py plays rows of it to Graph's URL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.errors import Forbidden, PillarboxError
from pillarbox.core.headers import address_key
from pillarbox.delivery.senders import Leave, check_recipient, check_sender, leave, mailbox_for

APP = AppRegistration(1, "contoso", "t", "c")
MIKE, SHARED = Mailbox(1, "mike@contoso.example", APP), Mailbox(2, "info@ü.example", APP)
PRINTER = Submitter(
    1,
    "printer",
    {"mike@contoso.example": MIKE, "alias@contoso.example": MIKE, address_key("info@ü.example"): SHARED},
)
DOMAIN = Submitter(2, "erp", {"info@contoso.example": SHARED}, {"contoso.example": MIKE})
EACH = Submitter(3, "crm", {}, {"contoso.example": APP, "xn--tda.example": APP})


def left(submitter: Submitter, sender: str, **fields: bytes | Sequence[bytes]) -> Leave:
    """How a message leaves; fields are named `from_`, `sender_`, `resent_from`, one value or several."""
    named: Mapping[bytes, Sequence[bytes]] = {
        name.rstrip("_").replace("_", "-").encode(): [value] if isinstance(value, bytes) else value
        for name, value in fields.items()
    }
    return leave(submitter, sender, named)


def code(submitter: Submitter, sender: str, **fields: bytes | Sequence[bytes]) -> str:
    with pytest.raises(PillarboxError) as caught:
        left(submitter, sender, **fields)
    assert caught.value.sentence.encode("utf-8")
    return caught.value.code


# ---- MAIL FROM


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
    assert code(PRINTER, sender, from_=b"mike@contoso.example") == "mail.sender_not_allowed"


def test_who_has_no_mailbox_sends_nothing_not_even_from_nobody() -> None:
    with pytest.raises(Forbidden):
        mailbox_for(Submitter(0, "local", {}), "")
    with pytest.raises(Forbidden):
        check_sender(Submitter(0, "local", {}), "")


# ---- the matrix of threat 8

A, B = "mike@contoso.example", "boss@contoso.example"
OWN = [  # Froms that say A and nobody else
    b"mike@contoso.example",
    b"Mike <MIKE@contoso.example>",
    b'"Smith, Mike" <alias@contoso.example> (scanner)',
    b"=?utf-8?q?Chef=2C_Mike?= <mike@contoso.example>",
    b"=?utf-8?q?boss=40contoso.example?= <mike@contoso.example>",
    b'"boss@contoso.example" <mike@contoso.example>',
    b"M\xfcller <mike@contoso.example>",
    b'"Jane (jane@visitor.example)" <mike@contoso.example>',
    b"=?utf-8?Q?Chef,_Mike?= <mike@contoso.example>",
    b'Dr. "Mike" Smith <mike@contoso.example>',
    b"mike@contoso.example;",
]
FOREIGN = [
    b"boss@contoso.example",  # b
    b"mike@contoso.example, boss@contoso.example",  # two
    b"boss@contoso.example, mike@contoso.example",
    b"=?utf-8?q?boss=40contoso.example?=",  # encoded words
    b"=?utf-8?b?Ym9zc0Bjb250b3NvLmV4YW1wbGU=?=",
    b"=?utf-8?q?mike?=@contoso.example",
    b"Me: mike@contoso.example;",  # groups
    b"Us: mike@contoso.example, boss@contoso.example;",
    b"boss@contoso.example: mike@contoso.example;",
    b"nobody:;",
    b'"mike@contoso.example" <boss@contoso.example>',  # quoted names
    b'"x" <boss@contoso.example> "y" <mike@contoso.example>',
    b'"a \\" <mike@contoso.example>" <boss@contoso.example>',
    b'"mike"@contoso.example',
    b"m\xffike@contoso.example",  # homoglyphs, bytes, IDN
    "mi\u212ae@contoso.example".encode(),
    "m\u0456ke@contoso.example".encode(),
    b"info@xn--tda.example.evil",
    "info@ſ.example".encode(),
    b"boss(mike@contoso.example)@contoso.example",  # comments
    b"(mike@contoso.example) boss@contoso.example",
    b"boss@contoso.example (mike@contoso.example)",
    b"mike@contoso.example (boss@contoso.example)",
    b"boss@contoso.example <mike@contoso.example>",
    b"mike@contoso.example <boss@contoso.example>",
    b"<@boss.example:mike@contoso.example>",  # routes
    b"mike@contoso.example@evil.example",
    b"mike@contoso.example\0",
    b"mike@contoso.example\r",
    b"Mike",
    b"@",
    b"<>",
]
MATRIX = [
    *((sender, value, MIKE) for sender in (A, "") for value in OWN),
    *((sender, value, "mail.from_not_allowed") for sender in (A, "") for value in FOREIGN),
    *((B, value, "mail.sender_not_allowed") for value in (*OWN, *FOREIGN)),
    ("", "Info <info@ü.example>".encode(), SHARED),
    ("", b"info@xn--tda.example", SHARED),
    (A, b"info@xn--tda.example", MIKE),
    ("info@ü.example", b"mike@contoso.example", SHARED),
    *((sender, b"mike@contoso.example, alias@contoso.example", "mail.too_many_from") for sender in (A, "")),
    *((sender, (OWN[0], OWN[0]), "mail.too_many_from") for sender in (A, "")),
    *((sender, (OWN[0], FOREIGN[0]), "mail.too_many_from") for sender in (A, "")),
    *((sender, (), "mail.no_from") for sender in (A, "")),
    *((sender, b"", "mail.no_from") for sender in (A, "")),
]


@pytest.mark.parametrize(("sender", "header", "outcome"), MATRIX)
def test_the_matrix(sender: str, header: bytes | tuple[bytes, ...], outcome: Mailbox | str) -> None:
    if isinstance(outcome, Mailbox):
        assert left(PRINTER, sender, from_=header) == Leave(outcome)
    else:
        assert code(PRINTER, sender, from_=header) == outcome


@pytest.mark.parametrize("field", ["sender_", "resent_from", "resent_sender"])
@pytest.mark.parametrize("sender", [A, ""])
def test_every_other_field_that_says_who_sends_is_checked_too(field: str, sender: str) -> None:
    for value in FOREIGN:
        assert code(PRINTER, sender, from_=A.encode(), **{field: [A.encode(), value]}) == "mail.from_not_allowed"
    for value in OWN:
        assert left(PRINTER, sender, from_=A.encode(), **{field: [value, value]}) == Leave(MIKE)
    assert left(PRINTER, sender, from_=A.encode(), **{field: b""}) == Leave(MIKE)


def test_replies_may_go_anywhere() -> None:
    assert left(PRINTER, A, from_=A.encode(), reply_to=b"anybody@anywhere.example, \xff") == Leave(MIKE)


def test_only_a_rule_for_what_stands_in_from_chooses_the_mailbox_of_the_null_sender() -> None:
    assert code(PRINTER, "", from_=b"boss@contoso.example", sender_=A.encode()) == "mail.from_not_allowed"
    assert code(PRINTER, "", sender_=A.encode()) == "mail.no_from"


# ---- domains


def test_an_address_of_its_own_goes_before_the_domain() -> None:
    assert left(DOMAIN, "info@contoso.example", from_=b"anybody@contoso.example") == Leave(SHARED)
    assert left(DOMAIN, "anybody@CONTOSO.example", from_=b"info@contoso.example") == Leave(MIKE)
    assert left(DOMAIN, "", from_=b"anybody@contoso.example") == Leave(MIKE)


@pytest.mark.parametrize(
    "sender", ["mike@sub.contoso.example", "mike@evil.example", "contoso.example", "@contoso.example"]
)
def test_a_domain_is_that_domain_alone(sender: str) -> None:
    assert code(DOMAIN, sender, from_=b"mike@contoso.example") == "mail.sender_not_allowed"
    assert code(DOMAIN, A, from_=sender.encode()) == "mail.from_not_allowed"


def test_an_address_that_is_decoded_into_another_is_of_no_domain() -> None:
    assert code(DOMAIN, A, from_=b"=?utf-8?q?boss=40evil.example=2C?=@contoso.example") == "mail.from_not_allowed"


@pytest.mark.parametrize("address", ["boss@contoso.example", "Boss@Contoso.example", "info@ü.example"])
def test_with_an_app_each_address_of_a_domain_leaves_from_its_own_mailbox(address: str) -> None:
    assert left(EACH, address, from_=address.encode()) == Leave(Mailbox(0, address, APP))
    assert left(EACH, "", from_=address.encode()) == Leave(Mailbox(0, address, APP))


def test_where_no_rule_names_a_mailbox_from_must_tell_whose_the_null_sender_is() -> None:
    assert check_sender(EACH, "") is None
    assert code(replace(EACH, fix_from=True), "") == "mail.sender_not_allowed"
    assert check_sender(DOMAIN, "") is SHARED


# ---- From is added, or written anew


@pytest.mark.parametrize("missing", [(), b"", (b"",)])
def test_a_missing_from_is_added_where_that_was_asked_for(missing: bytes | tuple[bytes, ...]) -> None:
    fixing = replace(PRINTER, fix_from=True)
    assert left(fixing, "Alias@contoso.example", from_=missing) == Leave(MIKE, "Alias@contoso.example")
    assert left(fixing, "", from_=missing) == Leave(MIKE, "mike@contoso.example")
    assert code(fixing, A, from_=b"boss@contoso.example") == "mail.from_not_allowed"


FORCING = replace(PRINTER, force_from=True)


@pytest.mark.parametrize(
    ("given", "sender", "reply_to"),
    [
        (b"boss@contoso.example", A, "boss@contoso.example"),
        (b"Boss <boss@evil.example>", f"Boss <{A}>", "Boss <boss@evil.example>"),
        (b'"Scan, 3rd floor" <x@y.example>', f'"Scan, 3rd floor" <{A}>', '"Scan, 3rd floor" <x@y.example>'),
        ("Jürgen <x@y.example>".encode(), f"Jürgen <{A}>", "Jürgen <x@y.example>"),
        (b"J\xfcrgen <x@y.example>", f"J\udcfcrgen <{A}>", "J\udcfcrgen <x@y.example>"),
        (b"=?utf-8?q?J=C3=BC?= <x@y.example>", f"=?utf-8?q?J=C3=BC?= <{A}>", "=?utf-8?q?J=C3=BC?= <x@y.example>"),
        (b"a@x.example, B <b@x.example>", A, "a@x.example,\r\n B <b@x.example>"),
        ((b"a@x.example", b"b@x.example"), A, "a@x.example,\r\n b@x.example"),
        (b"mike@contoso.example, b@x.example", A, "b@x.example"),
        # What looks like somebody's address is no harmless name.
        (b'"boss@contoso.example" <x@y.example>', A, '"boss@contoso.example" <x@y.example>'),
        (b"=?utf-8?q?boss=40evil?= <x@y.example>", A, "=?utf-8?q?boss=40evil?= <x@y.example>"),
        (
            b"=?utf-8?b?Ym9zc0BldmlsLmV4YW1wbGU=?= <x@y.example>",
            A,
            "=?utf-8?b?Ym9zc0BldmlsLmV4YW1wbGU=?= <x@y.example>",
        ),
        (b"=?no-charset?q?boss?= <x@y.example>", A, "=?no-charset?q?boss?= <x@y.example>"),
        (b"n" * 257 + b" <x@y.example>", A, "n" * 257 + " <x@y.example>"),
        # What cannot be understood is nobody's.
        (b"(mike@contoso.example) boss@evil.example", A, ""),
        (b"n" * 901 + b" <x@y.example>", A, ""),
        (b"scanner", A, ""),
        (b"", A, ""),
        ((), A, ""),
    ],
)
def test_from_becomes_the_mailbox_and_replies_go_to_who_was_there(
    given: bytes | tuple[bytes, ...], sender: str, reply_to: str
) -> None:
    assert left(FORCING, "anybody@anywhere.example", from_=given) == Leave(MIKE, sender, reply_to)
    assert left(FORCING, "", from_=given, reply_to=b"someone@x.example") == Leave(MIKE, sender)


def test_a_from_that_is_the_mailbox_already_stays_as_it_came() -> None:
    assert left(FORCING, "anybody@anywhere.example", from_=b"  MIKE@contoso.example (me)") == Leave(MIKE)


def test_a_sender_with_a_rule_still_chooses_its_mailbox() -> None:
    assert left(FORCING, "info@ü.example", from_=b"x@y.example").mailbox is SHARED


def test_forcing_from_frees_no_other_field() -> None:
    assert code(FORCING, A, from_=b"x@y.example", sender_=b"boss@contoso.example") == "mail.from_not_allowed"


# ---- recipients


@pytest.mark.parametrize("address", ["alice@contoso.example", "Anybody@FABRIKAM.example", "bob@xn--tda.example"])
def test_who_it_may_send_to(address: str) -> None:
    limited = replace(PRINTER, recipients=("Alice@contoso.example", "*@fabrikam.example", "*@ü.example"))
    check_recipient(limited, address)
    check_recipient(PRINTER, address)


@pytest.mark.parametrize("address", ["bob@contoso.example", "alice@sub.fabrikam.example", "*"])
def test_nobody_else(address: str) -> None:
    limited = replace(PRINTER, recipients=("alice@contoso.example", "*@fabrikam.example"))
    with pytest.raises(Forbidden) as caught:
        check_recipient(limited, address)
    assert (caught.value.code, caught.value.entry.smtp) == ("mail.recipient_not_allowed", "550 5.7.1")
