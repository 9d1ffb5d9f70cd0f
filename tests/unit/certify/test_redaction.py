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
        ("for anna@fabrikam.example, bob@fabrikam.example", "for <address:sender>, <address>"),
        ("eve@other.example", "<address>"),
        ("the secret s3cret~Value", "the secret <secret:sender>"),
        (f"Trace ID: {GUID.upper()}", "Trace ID: <guid>"),
        ("not found in the directory 'Fabrikam GmbH'", "not found in the directory '<quoted>'"),
        (f"App: '{GUID}' (Payroll of Fabrikam).", "App: <name>."),
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


NOT_FOUND = (
    "AADSTS500011: The resource principal named https://api.contoso.example was not found in the tenant named {}. This "
    "can happen if the application has not been installed by the administrator of the tenant or consented to by any "
    "user in the tenant.\r\nTrace ID: x"
)
DIFFICULT = (
    "O'Neill Geheim AG",
    "Geheim",
    "Müller & Co. Geheim KG",
    "Geheim (old) Ltd.",
    "'Geheim'",
    "Jones' Geheim",
    "Rock 'n' Geheim",
    "Geheim was here",
    "my_geheim",
)
SENTENCES = {
    NOT_FOUND: NOT_FOUND.replace("https://api.contoso.example", "<name>").format("<name>"),
    "Directory: '{}'.\r\nTrace ID: x": "Directory: <name>.\r\nTrace ID: x",
    "not found in the directory '{}'. This can happen": "not found in the directory '<quoted>'. This can happen",
    f"ID '{GUID}' named '{{}}'. Send an interactive request": "ID '<quoted>' named <name>. Send an interactive request",
    f"App: '{GUID}' ({{}}). Resource: 'x'.": "App: <name>. Resource: '<quoted>'.",
    "The user in tenant '{}' and cannot access 'x' (y).": (
        "The user in tenant '<quoted>' and cannot access '<quoted>' (<name>)."
    ),
    f"configured the application {{}} ('{GUID}') to block": "configured the application <name> ('<quoted>') to block",
    f"Client app ID: {GUID}({{}}). Resource value": "Client app ID: <guid> (<name>). Resource value",
    f"Application '{GUID}'({{}}) is disabled.": "Application '<quoted>' (<name>) is disabled.",
}


@pytest.mark.parametrize("name", DIFFICULT)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_name_that_nobody_told_is_cut_out_of_its_sentence(redaction: Redaction, sentence: str, name: str) -> None:
    assert redaction.text(sentence.format(name)) == SENTENCES[sentence]


@pytest.mark.parametrize("name", ["O'Neill Geheim AG", "Bob's app (old)", "Ludmilla", "Müller & Söhne"])
@pytest.mark.parametrize("form", ["{}", "Hello {}, good day", "it is {}'s", "[{}]", "of {} Ltd"])
def test_name_that_was_looked_up_goes_wherever_it_stands(name: str, form: str) -> None:
    redaction = Redaction(KNOWN, RUN, [name])
    for written in (name, name.upper(), name.replace("'", "''"), name.replace("'", "&#39;"), name.replace(" ", "  ")):
        assert redaction.text(form.format(written)) == form.format("<name>")


def test_name_is_no_part_of_a_word() -> None:
    assert Redaction(KNOWN, RUN, ["Ann"]).text("Cannot be planned by Ann") == "Cannot be planned by <name>"


@pytest.mark.parametrize("number", [50011, 700016, 7000215, 70002150])
def test_number_of_an_error_is_kept(redaction: Redaction, number: int) -> None:
    text = f"AADSTS{number}: The secret sent is not one"
    assert redaction.text(text) == text


@pytest.mark.parametrize(
    "address",
    [
        *("2a02::5", "fe80::1", "2001:DB8::17", "::1", "::ffff:203.0.113.7", "2001:db8:0:1:2:3:4:5", "fe80::1%eth0"),
        *("203.0.113.7", "IPv6:2a02::5"),
    ],
)
def test_ip_address_is_taken_out(redaction: Redaction, address: str) -> None:
    assert redaction.text(f"Hello [{address}], at {address}.") == "Hello [<ip>], at <ip>."


@pytest.mark.parametrize("text", ["at 12:00:00", "std::x", "15.20.1234.5", "one: two: three"])
def test_what_only_looks_like_an_ip_address_is_kept(redaction: Redaction, text: str) -> None:
    assert redaction.text(text) == text


@pytest.mark.parametrize(
    "host",
    [
        *("zeughaus.gmbh", "mx1.firma.versicherung", "xn--mller-kva.xn--vermgensberater-ctb", "müller.gmbh"),
        *("MX1.FIRMA.SWISS", "mx1.fabrikam.example", "zeug.haus:8443", "_dmarc.zeug.haus", "microsoft.com"),
    ],
)
def test_host_of_any_domain_is_taken_out(redaction: Redaction, host: str) -> None:
    assert redaction.text(f"220 {host} at https://{host}/x") == "220 <host> at https://<host>/x"


def test_host_with_a_name_in_it_is_taken_out_whole() -> None:
    assert Redaction(KNOWN, RUN, ["Zeughaus"]).text("at mx1.zeughaus.gmbh.") == "at <host>."


@pytest.mark.parametrize(
    "text",
    [
        *("Mail.Send User.Read.All IMAP.AccessAsUser.All", "#microsoft.graph.fileAttachment", "@odata.context"),
        *("Microsoft.OutlookServices.Message", 'outlook.body-content-type="text"', "5.7.139 no.", "v1.0"),
        *(
            "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed",
            'Bearer realm="", authorization_uri="',
            "The body lacks a named parameter.",
        ),
    ],
)
def test_dotted_word_of_microsofts_is_no_host(redaction: Redaction, text: str) -> None:
    assert redaction.text(text) == text


@pytest.mark.parametrize("sign", ["'", "(", "App: '", "a.", "named ", "f:"])
def test_hostile_text_takes_no_time(redaction: Redaction, sign: str) -> None:
    assert redaction.text(sign * 10_000) is not None


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
