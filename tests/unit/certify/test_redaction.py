"""Nothing of a tenant's gets into a snapshot, and Microsoft's own words do."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.microsoft.redaction import KEPT, Redaction

RUN = "0a1b2c3d4e"
KNOWN = [
    ("s3cret~Value", "<secret:sender>"),
    ("anna@fabrikam.example", "<address:sender>"),
    ("fabrikam.example", "<domain>"),
]
GUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@pytest.fixture
def redaction() -> Redaction:
    return Redaction(KNOWN, RUN)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("ANNA@Fabrikam.Example", "<address:sender>"),
        ("users/anna%40fabrikam.example", "users/<address:sender>"),
        ("for anna@fabrikam.example, bob@fabrikam.example", "for <address:sender>, bob@<domain>"),
        ("eve@other.example", "<address>"),
        ("the secret s3cret~Value", "the secret <secret:sender>"),
        (f"Trace ID: {GUID.upper()}", "Trace ID: <guid>"),
        ("not found in the directory 'Fabrikam GmbH'", "not found in the directory '<quoted>'"),
        (f"App: '{GUID}' (Payroll of Fabrikam).", "App: '<quoted>' (<name>)."),
        ("must contain 'grant_type'", "must contain 'grant_type'"),
        ("named 'nonsense' on type 'Microsoft.OutlookServices.Message'", None),
        ("$metadata#users('anna%40fabrikam.example')/messages", "$metadata#users('<quoted>')/messages"),
        ("Timestamp: 2026-11-20 12:00:00Z", "Timestamp: <date>"),
        ("ready at Fri, 20 Nov 2026 12:00:00 +0000", "ready at <date>"),
        ("11/20/2026 12:00:00 PM", "<date>"),
        (
            "[AM0PR01CA0001.eurprd01.prod.outlook.com 2026-11-20T12:00:00.1Z 08DE27F3A1B2C3D4]",
            "[<host> <date> <opaque>]",
        ),
        ("[3122938899315380] [ABCDEFABCDEFABC1]", "[<opaque>] [<opaque>]"),
        ("2097152-3145732", None),
        ("Hello [203.0.113.7]", "Hello [<ip>]"),
        (
            "OK <AM0PR01MB1@AM0PR01MB1.prod.outlook.com> [Hostname=AM0.prod.outlook.com]",
            "OK <message-id> [Hostname=<host>]",
        ),
        ("https://localhost:8443/error?code=50011", "https://<host>/error?code=50011"),
        ("Visit https://aka.ms/smtp_auth_disabled for more information.", None),
        ("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", None),
        ("ErrorMimeContentInvalidBase64String", None),
        ("CLIENTNETWORKPRESENCELOCATION", None),
        ("535 5.7.139 Authentication unsuccessful", None),
        ("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln", "<token>"),
        (f"[{base64.b64encode('AM0PR01CA0001'.encode('utf-16-le')).decode()}]", "[<opaque>]"),
    ],
)
def test_text_keeps_microsofts_words_alone(redaction: Redaction, text: str, redacted: str | None) -> None:
    assert redaction.text(text) == (text if redacted is None else redacted)


@given(st.text(min_size=1), st.text(min_size=1).filter(lambda key: key not in KEPT and not key.endswith("_supported")))
def test_no_string_survives_by_default(value: str, key: str) -> None:
    shown = Redaction(KNOWN, RUN).value({"outer": {key: value}})
    (kind,) = shown["outer"].values()
    assert kind in {"<string>", "<number>", "<ours>"} or (kind.startswith("<") and kind.endswith(">"))


@given(st.recursive(st.integers() | st.floats(), st.lists))
def test_no_number_survives_by_default(value: Any) -> None:
    assert not any(sign.isdigit() for sign in json.dumps(Redaction([("x", "<x>")], RUN).value(value, "count")))


def test_shape_is_kept(redaction: Redaction) -> None:
    shown = redaction.value({"a": True, "b": None, "c": 1, "expires_in": "3599", "d": ["x"], "error_codes": [50011]})
    assert shown == {
        "a": True,
        "b": None,
        "c": "<number>",
        "expires_in": "<number>",
        "d": ["<string>"],
        "error_codes": [50011],
    }


def test_of_several_objects_only_the_first_is_shown(redaction: Redaction) -> None:
    assert redaction.value({"value": [{"id": "a"}, {"id": "b", "more": 1}]}) == {"value": [{"id": "<string>"}]}


def test_what_the_suite_sent_is_known_again(redaction: Redaction) -> None:
    assert redaction.value({"subject": f"[mark {RUN}] hello", "bodyPreview": "Dear Anna"}) == {
        "subject": "<ours>",
        "bodyPreview": "<string>",
    }


def test_contents_of_a_file_are_not_read(redaction: Redaction) -> None:
    assert redaction.value({"contentBytes": "A" * 4_000_000}) == {"contentBytes": "<string>"}


def test_of_headers_only_harmless_values_are_shown(redaction: Redaction) -> None:
    headers = {"Content-Type": "application/json", "Set-Cookie": "fpc=abc", "X-MS-Ests-Server": "2.1.1 - WEULR1"}
    assert redaction.headers(headers) == {
        "content-type": "application/json",
        "set-cookie": None,
        "x-ms-ests-server": None,
    }
