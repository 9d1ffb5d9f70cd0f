"""Every form of a path that Graph takes finds its operation, and nothing else does."""

import pytest

from tests.openapi.validator import Schema

SCHEMA = Schema.load()
MESSAGE = "/users/{user-id}/messages/{message-id}"


@pytest.mark.parametrize(
    "path",
    [
        "/users/bob@contoso.example/messages/AAMk=",
        "//users/bob/messages/AAMk",
        "/users/bob/messages/AAMk/",
        "/users('bob')/messages('AAMk')",
        "/users('o''brien')/messages/AAMk",
        "/users(%27bob%27)/messages/AAMk",
        "/Users/bob/MESSAGES/AAMk",
        "/users/messages/messages/me",
    ],
)
def test_every_form_of_a_path_finds_its_operation(path: str) -> None:
    assert SCHEMA.operation("GET", path) == MESSAGE


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("POST", "/me/microsoft.graph.sendMail", "/me/sendMail"),
        ("POST", "/me/SENDMAIL", "/me/sendMail"),
        ("GET", "/me/messages/delta()", "/me/messages/delta"),
        ("GET", "/applications(appId='1')", "/applications/{application-id}"),
        ("GET", "/me/messages/microsoft.graph.delta()", "/me/messages/delta"),
        ("GET", "/me/messages/%24count", "/me/messages/$count"),
        ("GET", "/me/messages/AAMk/$value", "/me/messages/{message-id}/$value"),
        (
            "GET",
            "/admin/exchange/tracing/messageTraces/1/getDetailsByRecipient(recipientAddress='bob%40contoso.example')",
            "/admin/exchange/tracing/messageTraces/{exchangeMessageTrace-id}"
            "/getDetailsByRecipient(recipientAddress='{recipientAddress}')",
        ),
    ],
)
def test_functions_and_actions_are_found(method: str, path: str, template: str) -> None:
    assert SCHEMA.operation(method, path) == template


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/me/letters"),
        ("PUT", "/me/messages"),
        ("GET", "/me/messages/AAMk/$value/more"),
        ("GET", "/me/messages/$ref"),
        ("GET", "/users/delta"),
        ("GET", "/users/delta()"),
        ("GET", "/users/bob/messages/AAMk('x')"),
        ("GET", "/admin/exchange/tracing/messageTraces/1/getDetailsByRecipient(address='bob')"),
    ],
)
def test_what_microsoft_does_not_have_is_not_found(method: str, path: str) -> None:
    assert SCHEMA.operation(method, path) is None


def test_each_operation_is_listed_once_and_finds_itself() -> None:
    operations = SCHEMA.operations
    assert len(operations) == len(set(operations)) > 200
    assert [(method, SCHEMA.operation(method, path)) for method, path in operations] == operations
