"""RBAC for Applications by itself: which mailboxes a filter names, and what a role allows."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.emulator import World
from pillarbox.emulator.world import Group, User
from pillarbox.emulator.world.rbac import ExchangeAssignment, ExchangeRoles, Scope, parse_filter


@pytest.fixture
def alice() -> User:
    return User("1", "alice@contoso.example", "Alice O'Hara", ["a@contoso.example"])


@pytest.fixture
def groups() -> list[Group]:
    name = "CN=Senders,OU=Groups,DC=contoso,DC=example"
    return [Group("7", "Senders", name, {"1"}), Group("8", "Others", name.replace("Senders", "Others"))]


@pytest.mark.parametrize(
    ("text", "covers"),
    [
        ("MemberOfGroup -eq 'CN=Senders,OU=Groups,DC=contoso,DC=example'", True),
        ("memberofgroup -EQ 'cn=senders,ou=groups,dc=contoso,dc=example'", True),
        ("MemberOfGroup -eq 'CN=Others,OU=Groups,DC=contoso,DC=example'", False),
        ("MemberOfGroup -eq 'Senders'", False),
        ("PrimarySmtpAddress -eq 'ALICE@contoso.example'", True),
        ("PrimarySmtpAddress -eq 'a@contoso.example'", False),
        ("EmailAddresses -eq 'smtp:a@contoso.example'", True),
        ("DisplayName -eq 'Alice O''Hara'", True),
        ("Alias -eq 'alice'", True),
        ("Alias -eq 'bob' -or Alias -eq 'alice'", True),
        ("(Alias -eq 'bob') -or ( UserPrincipalName -eq 'alice@contoso.example' )", True),
        ("Alias -eq 'x -or alice'", False),
    ],
)
def test_a_filter_names_mailboxes(text: str, covers: bool, alice: User, groups: list[Group]) -> None:
    assert Scope("1", "Scope", text).covers(alice, groups) is covers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Alias",
        "Alias -like 'a*'",
        "Alias -eq alice",
        "Alias -eq 'a' -and Alias -eq 'b'",
        "(Alias -eq 'a'",
        "Alias -eq 'a')",
        "Alias -eq 'a' -or",
        "Alias -eq 'a",
        "CustomAttribute1 -eq 'x'",
        "not Alias -eq 'a'",
    ],
)
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not emulated"):
        parse_filter(text)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_value_comes_back(values: list[str]) -> None:
    text = " -or ".join("Alias -eq '" + value.replace("'", "''") + "'" for value in values)
    assert parse_filter(text) == [("alias", value) for value in values]


@pytest.mark.parametrize(
    ("role", "permission", "allowed"),
    [
        ("Application Mail.Send", "Mail.Send", True),
        ("Application Mail.Send", "Mail.Read", False),
        ("Application Mail Full Access", "Mail.ReadWrite", True),
        ("Application Mail Full Access", "SMTP.SendAsApp", False),
        ("Application Exchange Full Access", "SMTP.SendAsApp", True),
        ("Application SMTP.SendAsApp", "SMTP.SendAsApp", True),
    ],
)
def test_a_role_allows_what_its_name_says(role: str, permission: str, allowed: bool, alice: User) -> None:
    roles = ExchangeRoles(assignments={"1": ExchangeAssignment("1", "app", role)})
    assert roles.allow("app", permission, alice, []) is allowed
    assert not roles.allow("other", permission, alice, [])


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ("/", True),
        (None, True),
        ("/Users/1", True),
        ("/users/2", False),
        ("/Groups/7", True),
        ("/Groups/8", False),
        ("/AdministrativeUnits/1", False),
    ],
)
def test_a_directory_scope_names_mailboxes(scope: str | None, covers: bool, alice: User, groups: list[Group]) -> None:
    held = ExchangeAssignment("1", "app", "Application Mail.Send", directory_scope=scope)
    assert ExchangeRoles(assignments={"1": held}).allow("app", "Mail.Send", alice, groups) is covers


def test_a_scope_that_is_gone_covers_nobody(alice: User) -> None:
    held = ExchangeAssignment("1", "app", "Application Mail.Send", scope_id="9")
    assert not ExchangeRoles(assignments={"1": held}).allow("app", "Mail.Send", alice, [])


def test_a_removed_principal_loses_its_roles() -> None:
    world = World(random.Random(1).randbytes)
    tenant = world.add_tenant("contoso.example")
    app = world.add_app("App", ["Mail.Send"])
    assert app.principal
    held = ExchangeAssignment("1", app.principal.id, "Application Mail.Send")
    tenant.exchange_roles.assignments["1"] = held
    tenant.exchange_principals[app.client_id] = app.principal.id
    tenant.remove_app(app)
    assert not tenant.exchange_roles.assignments
    assert not tenant.exchange_principals
    assert app.principal is None
