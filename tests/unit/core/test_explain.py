"""Explaining: every code that is known is found in what people paste, and nothing is found where nothing is."""

import csv
import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pillarbox.core import catalogue
from pillarbox.core.catalogue import WHO, Explanation, Reply
from pillarbox.core.explain import Finding, decode, explain, look
from tests.unit.core.test_catalogue import DEVELOPERS, rows

ROOT = Path(__file__).resolve().parents[3]
PASTED = sorted((Path(__file__).parent / "explain").glob("*.txt"))
TABLES = ("aadsts.csv", "oauth-errors.csv", "graph-errors.csv", "exchange-replies.csv")
KNOWN = [row for table in TABLES for row in rows(table)]

JWT = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJncmFwaCJ9.bm90LWEtc2lnbmF0dXJl"
SECRET = "abc8Q" + "~NotASecretNotASecretNotASecret1234"


def codes(text: str) -> list[str]:
    return [finding.code for finding in explain(text)]


def only(text: str) -> Finding:
    (finding,) = explain(text)
    return finding


def name_of(row: dict[str, str]) -> str:
    return row.get("code") or f"{row['reply']} {row['words']}".strip()


# ---- the tables

ROWS = pytest.mark.parametrize("row", KNOWN, ids=name_of)


@ROWS
def test_every_explanation_says_cause_cure_who_and_a_page_that_exists(row: dict[str, str]) -> None:
    assert row["who"] in WHO
    assert len(row["remedy"].split()) > 8
    assert row["remedy"].endswith(".")
    path, _, anchor = row["page"].partition("#")
    page = ROOT / path
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not anchor or anchor in slugs


@ROWS
def test_the_first_line_is_one_sentence(row: dict[str, str]) -> None:
    meaning = row["meaning"]
    assert meaning[0].isupper()
    assert meaning.endswith(".")
    assert not re.search(r"[.!?]\s", meaning)
    assert meaning.isprintable()
    assert row["remedy"].isprintable()


@ROWS
def test_cures_speak_to_who_reads_them(row: dict[str, str]) -> None:
    assert row["who"] == "developer" or not DEVELOPERS.search(row["remedy"])


def test_no_table_says_a_thing_twice() -> None:
    for table in TABLES:
        names = [name_of(row).lower() for row in rows(table)]
        assert len(names) == len(set(names))


def test_every_code_that_was_collected_has_an_explanation() -> None:
    def codes_of(file: str) -> set[str]:
        return {row["code"] for row in csv.DictReader((ROOT / file).read_text("utf-8").splitlines())}

    emulators = codes_of("src/pillarbox/emulator/entra/aadsts.csv")
    graphs = codes_of("tests/openapi/graph-errors.csv")
    assert (len(emulators) > 160, len(graphs)) == (True, 76)
    assert emulators - set(catalogue.aadsts()) == set()
    assert graphs - set(catalogue.graph()) == set()


def test_every_oauth_word_of_entras_numbers_has_an_explanation() -> None:
    assert {row["oauth_error"] for row in rows("aadsts.csv")} - set(catalogue.oauth()) == set()


# ---- each code is found


@pytest.mark.parametrize("number", catalogue.aadsts())
def test_every_number_of_entra_is_found_in_all_its_shapes(number: str) -> None:
    texts = [
        f"AADSTS{number}: words",
        number,
        f'{{"error":"invalid_request","error_codes":[{number}]}}',
        f"https://login.microsoftonline.com/error?code={number}",
        f"<p>aadsts{number}</p>",
        f"error_description=AADSTS{number}%3a+words&state=1",
    ]
    assert [codes(text) for text in texts] == [[f"AADSTS{number}"]] * len(texts)


@pytest.mark.parametrize("word", catalogue.oauth())
def test_every_word_of_oauth_is_found(word: str) -> None:
    assert codes(word) == codes(f'{{"error": "{word}", "error_description": ""}}') == [word]


@pytest.mark.parametrize("known", catalogue.graph().values(), ids=lambda known: known.code)
def test_every_code_of_graph_is_found(known: Explanation) -> None:
    code = known.code
    if code.startswith("http_"):
        status = code.removeprefix("http_")
        texts = [status, f"HTTP/1.1 {status} Words", f'"POST /x HTTP/1.1" {status} 12 "-"', f"status code: {status}"]
        assert [codes(text) for text in texts] == [[f"HTTP {status}"]] * len(texts)
        return
    texts = [
        code,
        code.upper(),
        f'{{"error": {{"code": "{code.lower()}", "message": ""}}}}',
        f'{{\\"error\\":{{\\"code\\":\\"{code}\\"}}}}',
        f"Code: {code}\nMessage: words",
    ]
    assert [codes(text) for text in texts] == [[code]] * len(texts)


@pytest.mark.parametrize("reply", catalogue.replies(), ids=lambda reply: reply.explanation.code)
def test_every_example_of_the_replies_is_found(reply: Reply) -> None:
    texts = [reply.example, f"Nov 20 12:00:00 mx1 postfix/smtp[9]: said: {reply.example} (in reply to end of DATA)"]
    code = reply.example[:9] if reply.reply.endswith("x.x") else reply.explanation.code
    assert [codes(text) for text in texts] == [[code]] * 2


SERVER = "[SN2PR00CA0018.namprd00.prod.outlook.com]"
DENIED = "Authentication unsuccessful"
SAID = {
    # What Exchange Online says, by Microsoft's pages and by those who met it; not taken from our table.
    f"535 5.7.139 {DENIED}, basic authentication is disabled. {SERVER}": "535 5.7.139 basic authentication is disabled",
    f"535 5.7.139 {DENIED}, SmtpClientAuthentication is disabled for the Tenant. Visit "
    f"https://aka.ms/smtp_auth_disabled for more information. {SERVER}": (
        "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant"
    ),
    f"535 5.7.139 {DENIED}, SmtpClientAuthentication is disabled for the Mailbox. Visit "
    f"https://aka.ms/smtp_auth_disabled for more information. {SERVER}": (
        "535 5.7.139 SmtpClientAuthentication is disabled for the Mailbox"
    ),
    f"535 5.7.139 {DENIED}, user is locked by your organization's security defaults policy. {SERVER}": (
        "535 5.7.139 user is locked by your organization's security defaults policy"
    ),
    f"535 5.7.139 {DENIED}, the request did not meet the criteria to be authenticated successfully. {SERVER}": (
        "535 5.7.139 the request did not meet the criteria to be authenticated successfully"
    ),
    f"535 5.7.3 {DENIED} {SERVER}": "535 5.7.3",
    f"535 5.7.3 {DENIED} [SN2PR00CA0018.namprd00.prod.outlook.com 2026-11-20T12:00:00.000Z 08DE]": "535 5.7.3",
    "550 5.7.30 Basic authentication is not supported for Client Submission.": (
        "550 5.7.30 Basic authentication is not supported for Client Submission"
    ),
    "530 5.7.57 Client not authenticated to send mail": "530 5.7.57 Client not authenticated to send mail",
    "432 4.3.2 Concurrent connections limit exceeded.": "432 4.3.2 Concurrent connections limit exceeded",
    "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded": "432 4.3.2 sender thread limit exceeded",
    "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded": "432 4.3.2 sender thread limit exceeded",
    "451 4.7.500 Server busy. Please try again later. (AS777125)": "451 4.7.5xx",
    "451 4.7.699 (AS843)": "451 4.7.6xx",
    "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.Mapi": "554 5.2.2 mailbox full",
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException.Mapi": (
        "554 5.2.0 SubmissionQuotaExceededException"
    ),
    "554 5.2.252 SendAsDenied; a@contoso.example not allowed to send as b@contoso.example; "
    "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied": "554 5.2.252 SendAsDenied",
    "554 5.2.0 SendAsDenied; a@contoso.example not allowed to send as b@contoso.example; "
    "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied": "554 5.2.252 SendAsDenied",
    "550 5.1.8 Access denied, bad outbound sender": "550 5.1.8 bad outbound sender",
    "550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit": "550 5.7.232",
    "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit": "550 5.7.233",
    "550 5.7.705 Access denied, tenant has exceeded threshold": "550 5.7.705",
    "550 5.7.708 Access denied, traffic not accepted from this IP": "550 5.7.708",
    "550 5.7.60 SMTP; Client does not have permissions to send as this sender": (
        "550 5.7.60 does not have permissions to send as this sender"
    ),
    "A01 NO AUTHENTICATE failed.": "NO AUTHENTICATE failed",
    "A02 BAD User is authenticated but not connected.": "BAD User is authenticated but not connected",
    "* BYE Connection closed. 14": "BYE Connection closed",
}


@pytest.mark.parametrize(("line", "code"), SAID.items(), ids=SAID.values())
def test_every_reply_of_exchange_is_found(line: str, code: str) -> None:
    texts = [line, f"Nov 20 12:00:00 mx1 postfix/smtp[9]: said: {line} (in reply to end of DATA)"]
    assert [codes(text) for text in texts] == [[code]] * 2


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("421 4.4.2 Connection dropped due to SocketError", "421 4.4.2", "for the moment"),
        ("452 4.5.3 Too many recipients", "452 4.5.3", "for the moment"),
        ("450-4.7.3 Organization queue quota exceeded", "450 4.7.3", "for the moment"),
        ("501 5.1.3 Invalid address", "501 5.1.3", "for good"),
        ("(503, b'5.5.1 Bad sequence of commands')", "503 5.5.1", "for good"),
        ("4.4.7", "4.4.7", "for the moment"),
        ("dsn=5.4.14, status=bounced", "5.4.14", "for good"),
    ],
)
def test_a_reply_that_is_not_known_is_explained_by_its_class(line: str, code: str, words: str) -> None:
    finding = only(line)
    assert (finding.code, finding.who) == (code, "operator")
    assert words in finding.meaning
    assert finding.cure


def test_a_code_of_graph_that_is_not_known_says_so() -> None:
    for text in (
        '{"error":{"code":"SomethingNew","message":"New."}}',
        '{"error": {"message": "New.", "code": "SomethingNew"}}',
        "{'error': {'code': 'SomethingNew'}}",
        '{\\"error\\":{\\"code\\":\\"SomethingNew\\"}}',
    ):
        finding = only(text)
        assert (finding.code, finding.kind) == ("SomethingNew", "graph")
        assert "not known" in finding.meaning
        assert "request-id" in finding.cure


def test_beside_a_code_of_graph_that_is_not_known_the_status_still_says_something() -> None:
    assert codes('HTTP/1.1 403 Forbidden\n\n{"error":{"code":"SomethingNew"}}') == ["SomethingNew", "HTTP 403"]


def test_a_code_that_is_known_says_more_than_one_that_is_not() -> None:
    assert codes('{"error":{"code":"SomethingNew","innererror":{"code":"ErrorItemNotFound"}}}') == ["ErrorItemNotFound"]
    assert codes('{"error":{"code":"BadRequest","innererror":{"code":"SomethingNew"}}}') == ["BadRequest"]


def test_what_is_known_elsewhere_is_no_unknown_code_of_graph() -> None:
    assert codes('{"error":{"code":"invalid_grant"}}') == ["invalid_grant"]
    assert codes('{"error":{"code":"mail.too_large"}}') == ["mail.too_large"]
    assert codes('{"error":{"code":"AADSTS50034"}}') == ["AADSTS50034"]


@pytest.mark.parametrize("code", [code for code in catalogue.entries() if "." in code])
def test_every_code_of_ours_is_found(code: str) -> None:
    finding = only(f'{{"code":"{code}"}}')
    assert (finding.code, finding.kind, finding.who in WHO) == (code, "pillarbox", True)
    assert finding.meaning
    assert (ROOT / finding.page).exists()


# ---- what people paste


@pytest.mark.parametrize("file", PASTED, ids=lambda file: file.stem)
def test_what_people_paste_is_explained(file: Path) -> None:
    expected = file.with_suffix(".codes").read_text("utf-8").splitlines()
    assert codes(decode(file.read_bytes())) == expected


@pytest.mark.parametrize("file", PASTED, ids=lambda file: file.stem)
def test_it_does_not_matter_how_the_text_is_stored(file: Path) -> None:
    text = file.read_text("utf-8")
    expected = codes(text)
    big_endian = b"\xfe\xff" + text.encode("utf-16-be")
    for data in (text.encode("utf-16"), big_endian, text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode()):
        assert codes(decode(data)) == expected
    if len(text) > 20:
        assert codes(decode(text.encode("utf-16-le"))) == expected


def test_secrets_of_the_corpus_are_not_shown_again() -> None:
    assert len(PASTED) > 45
    for file in PASTED:
        shown = " ".join(finding.found for finding in explain(file.read_text("utf-8")))
        assert not re.search(r"eyJ|NotASecret|dXNlcj1", shown)


def test_a_code_comes_once_and_the_one_that_says_most_comes_first() -> None:
    text = "HTTP 429\n\n" + "x" * 3000 + "\ninvalid_grant AADSTS50126 AADSTS50126 AADSTS7000215 ErrorServerBusy"
    assert codes(text) == ["AADSTS50126", "AADSTS7000215", "ErrorServerBusy", "HTTP 429"]


def test_a_status_far_from_the_code_is_another_matter() -> None:
    assert codes("HTTP/1.1 401 Unauthorized\n" + "x\n" * 2000 + "AADSTS7000215") == ["AADSTS7000215", "HTTP 401"]
    assert codes("HTTP/1.1 401 Unauthorized\n\nAADSTS7000215") == ["AADSTS7000215"]


@pytest.mark.parametrize("text", ["AADSTS5000999: New.", "AADSTS5000999"])
def test_a_number_that_is_not_known_says_so_and_where_to_look(text: str) -> None:
    finding = only(text)
    assert "not known" in finding.meaning
    assert "https://login.microsoftonline.com/error" in finding.cure


@pytest.mark.parametrize("row", KNOWN, ids=name_of)
def test_no_cure_asks_for_what_was_given(row: dict[str, str]) -> None:
    assert not re.search(r"text above|whole (line|text)", row["remedy"])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("535", "535 Authentication failed"),
        ("535 5.7.139", "535 5.7.139 Authentication unsuccessful, by a new rule"),
        ("550", "550 Requested action not taken"),
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied"),
        ("invalid_grant", '{"error":"invalid_grant"}'),
    ],
)
def test_the_whole_line_is_asked_for_where_the_code_came_alone(code: str, text: str) -> None:
    assert re.search(r"explain the whole (line|text)", only(code).cure)
    assert "explain the whole" not in only(text).cure


def test_a_number_counts_where_it_is_alone_or_called_a_code() -> None:
    texts = [
        "7000222",
        "why 7000222?",
        "(7000222)",
        "error 7000222",
        "error number 7000222",
        "it says, code is 7000222",
    ]
    assert [codes(text) for text in texts] == [["AADSTS7000222"]] * len(texts)
    assert codes("the printer shows error 535 since Monday") == ["535"]


@pytest.mark.parametrize(
    "text",
    [
        "504 5.7.4 Unrecognized authentication type",
        "error: 504 5.7.4 Unrecognized authentication type",
        "error: 504 Unrecognized authentication type",
        "server response: 504-5.7.4 Unrecognized authentication type",
    ],
)
def test_the_number_of_a_reply_is_no_status_of_http(text: str) -> None:
    assert codes(text) == ["504 5.7.4 Unrecognized authentication type"]


def test_a_status_of_http_elsewhere_is_still_one() -> None:
    text = "error: 504 5.7.4 Unrecognized authentication type\n" + "x" * 100 + "\nHTTP/1.1 504 Gateway Timeout"
    assert codes(text) == ["504 5.7.4 Unrecognized authentication type", "HTTP 504"]


def test_an_old_and_a_new_reply_of_the_same_number_are_both_found() -> None:
    text = "a: 535 5.7.139 Authentication unsuccessful, some new rule\n" + "log\n" * 300
    text += "b: 535 5.7.139 Authentication unsuccessful, basic authentication is disabled.\n"
    assert codes(text) == ["535 5.7.139 basic authentication is disabled", "535 5.7.139"]


def test_the_words_of_one_reply_do_not_explain_the_one_before() -> None:
    text = "535 5.7.3 Authentication unsuccessful [A]\n535 5.7.139 basic authentication is disabled. [A]"
    assert codes(text) == ["535 5.7.139 basic authentication is disabled", "535 5.7.3"]


def test_an_enhanced_code_alone_is_a_question() -> None:
    assert codes("5.7.139") == codes(" 5.7.139\n") == ["535 5.7.139"]
    assert codes("5.7.139 kilometres") == []


def test_what_the_sending_program_does_wrong_is_its_developers() -> None:
    assert [only(f'"{code}"').who for code in ("mail.too_large", "smtp.line_too_long", "store.in_use")] == [
        "developer",
        "developer",
        "operator",
    ]


def test_our_code_sends_the_reader_to_what_microsoft_said() -> None:
    assert "explain that text" in only("microsoft.token_refused").cure


@pytest.mark.parametrize(
    "text",
    [
        "pid[7000215] 10.0.0.1:50034 version 7.000.215",
        "a long sentence about ports and sizes, such as 50034 and 50126 and 90002, says nothing of sign-ins at all",
        "myErrorAccessDeniedHandler error_access_deniedly",
        "see config.not_toml.example or /config.not_toml",
        "an internal matter of the building",
        "port 50034\nseat 401",
        "a report on mailbox fullness",
        "the functions badrequest, unknownerror and itemnotfound of a program",
        "unlocked blocked; the user is locked out of the building and cannot get in any more, says the porter",
        "postfix/qmgr[9]: 4B1C2D3E4F: from=<a@contoso.example>, size=700016, nrcpt=1",
        "from=<a@b>, size=700016, nrcpt=1",
        "order 500011 was shipped",
        "the 7000222 of them",
        "seat 401 is free",
        "535 people came",
        "postcode 50126, zip code: 90002, barcode 700016",
        "see section #4.2.1",
        "535 euros and 550 cents were paid to the door keeper by whoever came in at 401 minutes past the hour",
    ],
)
def test_what_only_looks_like_a_code_is_none(text: str) -> None:
    assert codes(text) == []


# ---- the line that is shown


@pytest.mark.parametrize(
    "secret",
    [
        f"Authorization: Bearer {JWT}",
        f"bearer {JWT}",
        "bearer HushHush.Hush",
        "the token eyJhbGciOiJub25lIn0.eyJIdXNoIjoxfQ.SHVzaA is old",
        "abc8Q" + "~HushHush.HushHush.HushHush.HushHush",
        "Authorization: Basic dXNlcjpIdXNoSHVzaA==",
        f"client_secret={SECRET}&x=1",
        f"'client_secret': '{SECRET}'",
        f"the secret {SECRET} is wrong",
        'password: "Hush Hush"',
        "password=HushHush",
        '{\\"refresh_token\\":\\"0.AHushHush\\"}',
        "AUTH PLAIN AEh1c2hIdXNo",
        "https://me:HushHush@proxy.contoso.example:3128",
        "?code=0.AHushHushHushHushHushHush&state=1",
        "1.HushHushHushHushHushHushHushHushHushHush2",
        "Set-Cookie: ESTSAUTH=HushHush",
        '{"secretText": "HushHush"}',
        "<ns:clientSecret>HushHush</ns:clientSecret>",
        "--password HushHush",
        "az login --client-secret HushHush -x",
        'ConvertTo-SecureString -String "Hush Hush" -AsPlainText',
        "curl -u scanner:HushHush smtp://x",
        "[smtp.office365.com]:587 scanner@contoso.example:HushHush",
        "[smtp.office365.com]:587 scanner:HushHush",
        "client_secret%3DHushHush%26x",
        '"password%22%3A%22HushHush%22"',
        "p%2561ssword%253DHushHush",
        "&#112;assword HushHush",
        "https%3A%2F%2Fscanner%3AHushHush%40contoso.example",
        'A01 LOGIN "scanner@contoso.example" "HushHush"',
        "AUTH LOGIN c2Nhbm5lckBjb250b3NvLmV4YW1wbGU= SHVzaEh1c2g=",
        "curl --user=scanner:HushHush",
        "Password: Hush Hush Word",
        "('client_secret', 'HushHush')",
        'clientSecret "HushHush"',
        '<add key="ClientSecret" value="HushHush" />',
        "setx PILLARBOX_CLIENT_SECRET HushHush",
        "swaks -ap HushHush2",
        "sshpass -p HushHush",
        "runas /u scanner HushHush",
        "AccountKey=HushHush==",
        "credentials scanner HushHush",
        "user: HushHush",
        "assertion HushHush",
        "pwd HushHush",
        "SASL_PASSWD HushHush",
        "密碼 HushHush",
        "пароль HushHush",
        "password:\n HushHush",
        "curl --user \\\n HushHush",
    ],
)
@pytest.mark.parametrize("code", ["AADSTS50034", "535 5.7.3 Authentication unsuccessful", "A01 NO LOGIN failed."])
def test_a_secret_is_not_shown_again(secret: str, code: str) -> None:
    for text in (f"{secret} {code} {secret}", f"{secret} {code}", f"{code} {secret}", f"{secret}{code}"):
        for finding in explain(text):
            assert not re.search(r"Hush|Word|NotASecret|eyJ|SHVzaA|SHVzaEh|c2hIdX|c2Nhbm5", finding.found)
    assert any(code.rstrip(".") in finding.found for finding in explain(f"{secret} {code} {secret}"))


@pytest.mark.parametrize("line", SAID)
def test_of_a_line_with_a_secret_no_more_is_shown_than_the_catalogue_says_itself(line: str) -> None:
    known = " ".join(reply.example for reply in catalogue.replies())
    for finding in explain(f"the secret is HushHush {line.partition(' [')[0]} HushHush"):
        assert finding.found in known or re.fullmatch(r"[\d. ]+", finding.found)


@given(
    name=st.sampled_from(["client_secret=", "password: ", '"access_token":"', "Authorization: Bearer ", "pwd="]),
    secret=st.from_regex(r"[A-Za-z0-9+/._~-]{8,200}", fullmatch=True),
    before=st.integers(0, 5000),
)
def test_no_secret_behind_a_name_is_shown_wherever_the_line_is_cut(name: str, secret: str, before: int) -> None:
    text = f"{'x ' * before}AADSTS50034 {name}{secret}"
    assert all(secret not in finding.found for finding in explain(text) if finding.code == "AADSTS50034")


def test_a_code_within_a_secret_stands_alone() -> None:
    assert only("password: Hush-AADSTS50034-Hush").found == "AADSTS50034"


def test_the_line_is_the_right_one_whatever_letters_stand_before() -> None:
    assert "AADSTS50034 here" in only("\u0130" * 3000 + " AADSTS50034 here").found


def test_control_characters_are_written_out() -> None:
    assert only("\x1b[2JAADSTS50034\x07 \u202e\u2028 \0").found == "\\x1b[2JAADSTS50034\\x07 \\x202e\\x2028 \\x00"


def test_what_says_nothing_secret_is_shown_whole() -> None:
    line = "550 5.1.8 Access denied, bad outbound sender [AM0PR02CA0001.eurprd02.prod.outlook.com 2026-11-20 08DE27F0]"
    assert only(line).found == line
    assert only("Request_ResourceNotFound 11111111-2222-4333-8444-555555555555").found.endswith("555555555555")
    words_without_blanks = "365\u7528\u6237\u5e10\u6237\u4e0d\u5b58\u5728" * 5
    for line in (f"{words_without_blanks} AADSTS50034", "InvalidInternetMessageHeaderCollection: at most 5."):
        assert only(line).found == line


def test_only_the_line_of_the_code_is_shown() -> None:
    assert only("before\n AADSTS50034 there\nafter").found == "AADSTS50034 there"


def test_of_a_long_line_the_part_around_the_code_is_shown() -> None:
    found = only("a " * 5000 + "here AADSTS50034 there " + "b " * 5000).found
    assert "here AADSTS50034 there" in found
    assert len(found) <= 160


def test_a_line_is_cut_between_words() -> None:
    reply = "550 5.1.8 Access denied, bad outbound sender. "
    assert only("a relay said: " * 20 + reply + "b " * 99).found.startswith(f"…said: a relay said: {reply}b b")


@pytest.mark.parametrize("before", [0, 50, 70, 100, 139, 140, 150, 2500])
@pytest.mark.parametrize("after", [0, 1, 30, 100, 150, 2500])
def test_wherever_in_its_line_the_code_stands_it_is_shown(before: int, after: int) -> None:
    line = ("-" * before + " AADSTS50034 " + "-" * after).strip()
    found = only(line).found
    assert "AADSTS50034" in found
    assert found == line if len(line) <= 160 else 159 <= len(found) <= 160
    assert found.startswith("…") or before < 150
    assert found.endswith("…") or after < 150


# ---- any input

PIECES = [
    *("AADSTS", "7000215", "ErrorAccessDenied", "microsoft.tls", "invalid_grant", "error", "code", "secret=", "eyJ"),
    *("535 ", "5.7.139", "basic authentication is disabled", "BAD ", "HTTP/1.1 ", "401", "#", "&"),
    *("-", "\n", '"', ":", "{", "[", "\0", "\u0130", "\udc80", "é"),
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)))
@example("\u0130" * 50 + "AADSTS50034")
@example("\ud800 535")
def test_any_text_is_explained_without_an_error(text: str) -> None:
    for finding in explain(text):
        assert finding.found.isprintable()
        assert finding.who in WHO
        assert finding.meaning
        assert finding.cure or finding.kind == "pillarbox"


@given(st.binary())
@example(b"\xff\xfe\x00")
@example(b"\xfe\xff\xd8")
def test_any_bytes_are_text(data: bytes) -> None:
    explain(decode(data))


def test_no_letter_moves_the_places() -> None:
    longer = [chr(n) for n in range(sys.maxunicode + 1) if len(chr(n).lower()) != 1]
    assert longer == ["\u0130"]


REPEATED = [
    *("a", "7", "700016 ", "535 5.7.139 ", "#5.7.13", "421-\n", "basic authentication is ", "basic \n"),
    *("ErrorAccessDeniedx", "code'", "codes: [50000,", '{"error":', "status ", "http/1.1 4", "secret=", "eyJ", "\0"),
]


@pytest.mark.parametrize("piece", REPEATED)
def test_time_grows_with_the_text_alone(piece: str) -> None:
    # What took the square of it would be stopped by the time limit of every test.
    assert len(explain("AADSTS50034 " + piece * (1_000_000 // len(piece)))) < 5


def test_ten_megabytes_are_no_trouble() -> None:
    text = "\n".join(file.read_text("utf-8") for file in PASTED)
    assert set(codes(text * (10_000_000 // len(text)))) == set(codes(text))


@pytest.mark.parametrize(
    "one",
    ["AADSTS1{:06}", '{{"error":{{"code":"New{}"}}}}', "421 4.4.{}\n", "AADSTS1{:06} invalid_grant HTTP 401 535"],
)
def test_of_many_different_codes_the_first_fifty_are_explained_and_the_rest_counted(one: str) -> None:
    text = " ".join(one.format(number) for number in range(100_000))
    began = time.process_time()
    found = look(text)
    # What took the square of it took minutes.
    assert time.process_time() - began < 15
    assert len(found.findings) == 50
    assert found.more >= 900


def test_all_codes_are_counted_once() -> None:
    found = look("AADSTS7000215 " + " ".join(f"AADSTS1{number:06}" for number in range(16_000)) * 2)
    assert (len(found.findings), found.more) == (50, 15_951)
    assert found.findings[0].code == "AADSTS7000215"
    assert look("AADSTS50034 AADSTS50126").more == 0
