"""The list of gaps: one row for one missing operation, and an honest end."""

import pytest

from pillarbox.emulator.gaps import MAX_GAPS, MAX_WHAT, Gaps

GUID = "6f1c2f7e-33a4-4a57-9c32-6d8f7c6f3b11"
ITEM = "AAMkAGI1" + "x" * 100


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1.0/users/bob@contoso.example/contacts", "/v1.0/users/{id}/contacts"),
        ("/v1.0/users/bob%40contoso.example/contacts", "/v1.0/users/{id}/contacts"),
        ("/v1.0//users('bob')/contacts", "/v1.0/users({id})/contacts"),
        (f"/v1.0/groups/{GUID}/$ref", "/v1.0/groups/{id}/$ref"),
        (f"/v1.0/me/messages/{ITEM}/move", "/v1.0/me/messages/{id}/move"),
        ("/v1.0/me/messages/AAMk=/move", "/v1.0/me/messages/{id}/move"),
        ("/v1.0/me/events/12/delta()", "/v1.0/me/events/{id}/delta()"),
        ("/v1.0/me/mailFolders/inbox/messageRules", "/v1.0/me/mailFolders/inbox/messageRules"),
        (f"/{GUID}/oauth2/nothing", "/{id}/oauth2/nothing"),
        ("/contoso.example/oauth2/nothing", "/contoso.example/oauth2/nothing"),
        ("/a" * 100, "/a" * 12 + "/..."),
        ("/v1.0/%00%ff", "/v1.0/{id}"),
        ("/", "/"),
        ("UID COPY", "UID COPY"),
    ],
)
def test_identifiers_are_left_out_of_paths(path: str, shown: str) -> None:
    gaps = Gaps()
    gaps.add("GET", path, "path")
    gaps.add("GET", path, "path")
    assert [(gap.path, gap.count) for gap in gaps] == [(shown, 2)]


def test_a_thousand_messages_do_not_hide_what_else_is_missing() -> None:
    gaps = Gaps()
    for number in range(MAX_GAPS + 1):
        gaps.add("POST", f"/v1.0/me/messages/AAMk{number}=/move", "path")
    gaps.add("GET", "/v1.0/me/contacts", "path")
    assert [(gap.path, gap.count) for gap in gaps] == [
        ("/v1.0/me/messages/{id}/move", MAX_GAPS + 1),
        ("/v1.0/me/contacts", 1),
    ]


def test_the_last_row_counts_what_was_left_out() -> None:
    gaps = Gaps()
    for number in range(MAX_GAPS + 2):
        gaps.add("GET", "/v1.0/me", f"$select=x{number}")
    assert len(gaps) == len(list(gaps)) == MAX_GAPS + 1
    last = list(gaps)[-1]
    assert (last.method, last.path, last.what, last.count) == ("*", "*", "left out: the list ends after 1000", 2)
    gaps.clear()
    assert not list(gaps)


def test_a_reason_has_a_limit() -> None:
    gaps = Gaps()
    gaps.add("GET", "/v1.0/me", "x" * 10_000)
    assert [len(gap.what) for gap in gaps] == [MAX_WHAT]
