"""How the claims of a token are shown."""

import pytest

from pillarbox.cli.token import described

NOW = 1_795_176_000.0
APP = {"aud": "https://graph.microsoft.com", "tid": "t", "appid": "c", "idtyp": "app", "exp": int(NOW) + 58 * 60 + 5}


def test_an_apps_token_shows_its_roles_and_how_long_it_lives() -> None:
    shown = dict(described({**APP, "roles": ["Mail.Send"], "xms_cc": ["CP1"]}, NOW))
    assert shown["kind"].startswith("app-only: ")
    assert (shown["aud"], shown["roles"], shown["xms_cc"]) == (APP["aud"], ["Mail.Send"], ["CP1"])
    assert shown["ends"].endswith("UTC, valid for 58 min")


def test_a_token_without_roles_says_what_that_does_not_prove() -> None:
    kind = dict(described(APP, NOW))["kind"]
    assert kind.startswith("app-only, no roles: ")
    assert "RBAC" in kind


def test_a_persons_token_shows_who_and_what() -> None:
    shown = dict(described({**APP, "scp": "Mail.Send User.Read", "upn": "alice@contoso.example"}, NOW))
    assert shown["kind"].startswith("delegated: ")
    assert (shown["scp"], shown["upn"]) == ("Mail.Send User.Read", "alice@contoso.example")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "valid for 0 min"), (3600 * 25, "valid for 25 h 0 min"), (0, "ended 0 min ago"), (-300, "ended 5 min ago")],
)
def test_times_are_words(seconds: int, words: str) -> None:
    assert dict(described({"exp": int(NOW) + seconds}, NOW))["ends"].endswith(words)


@pytest.mark.parametrize("end", ["soon", None, [], 10**30])
def test_a_time_that_is_none_is_left_out(end: object) -> None:
    assert "ends" not in dict(described({"exp": end}, NOW))
