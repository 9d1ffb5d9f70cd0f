"""Submitters: what may be added and changed, what it may send from, how it comes in without a login."""

import asyncio
import grp
import os
import pwd
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pillarbox.access.submitters import OPERATOR, _like
from pillarbox.core.accounts import AppRegistration, Login, Mailbox, Submitter
from pillarbox.core.errors import AuthenticationFailed, Conflict, Forbidden, InvalidInput, PillarboxError, Unavailable
from pillarbox.core.vault import Secret
from tests.unit.access.desk import BOXES, PASSWORD, PEER, Desk

ONE, TWO = "one@contoso.example", "Two@Contoso.example"
ME = pwd.getpwuid(os.getuid()).pw_name
DAEMON = pwd.getpwnam("daemon").pw_uid


async def code_of(desk: Desk, name: str = "printer", *, password: Secret | None = PASSWORD, **wish: object) -> str:
    """The code with which it is refused; then nothing was added."""
    before = await desk.submitters.list()
    with pytest.raises(PillarboxError) as caught:
        await desk.add(name, password=password, **wish)
    assert caught.value.cure
    assert caught.value.sentence
    assert await desk.submitters.list() == before == [one.submitter for one in desk.submitters._all.values()]
    return caught.value.code.removeprefix("submitter.")


async def change(desk: Desk, name: str = "printer", **wish: Any) -> Submitter:
    return (await desk.submitters.change(name, wish))[0]  # type: ignore[arg-type]


async def change_code(desk: Desk, **wish: Any) -> str:
    """The code with which a change is refused; then nothing was changed."""
    before = await desk.submitters.get("printer")
    with pytest.raises(PillarboxError) as caught:
        await change(desk, **wish)
    await desk.submitters.load()
    assert await desk.submitters.get("printer") == before
    return caught.value.code.removeprefix("submitter.")


def ways(submitter: Submitter) -> dict[str, str]:
    """Addresses and domains, and what they leave by."""
    senders = {key: box.address for key, box in submitter.senders.items()}
    return senders | {
        f"*@{domain}": way.address if isinstance(way, Mailbox) else f"app {way.name}"
        for domain, way in submitter.domains.items()
    }


# ---- names and passwords


@pytest.mark.parametrize("name", ["a", "A.b_c-d@e+f", "9" * 64])
async def test_names_that_are_taken(desk: Desk, name: str) -> None:
    await desk.add(name)
    assert await desk.comes_in(name) == ""


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 65, "a\n", "a\0", "a/b", ".", "..", OPERATOR])
async def test_names_that_are_not_taken(desk: Desk, name: str) -> None:
    assert await code_of(desk, name) == "bad_name"


async def test_a_taken_name(desk: Desk) -> None:
    await desk.add()
    assert await code_of(desk, password=Secret("another one")) == "exists"
    assert await desk.comes_in() == ""


@pytest.mark.parametrize("password", ["", "1234567"])
async def test_a_short_password(desk: Desk, password: str) -> None:
    assert await code_of(desk, password=Secret(password)) == "weak_password"
    await desk.add()
    with pytest.raises(PillarboxError) as caught:
        await desk.submitters.change("printer", {}, Secret(password))
    assert caught.value.code == "submitter.weak_password"


async def test_a_password_is_made_where_none_is_given(desk: Desk) -> None:
    one, other = [(await desk.submitters.add(name, {"mailboxes": BOXES}))[1].reveal() for name in "ab"]
    assert len(one) >= 24
    assert one != other
    assert [await desk.comes_in("a", one), await desk.comes_in("a", other)] == ["", "submitter.wrong_password"]


async def test_a_new_password_ends_the_old_one_also_where_it_is_remembered(desk: Desk) -> None:
    await desk.add()
    assert await desk.comes_in() == ""
    _, made = await desk.submitters.change("printer", {}, new_password=True)
    assert [await desk.comes_in(), await desk.comes_in(password=made.reveal())] == ["submitter.wrong_password", ""]
    _, told = await desk.submitters.change("printer", {}, Secret("battery staple"))
    assert (await desk.comes_in(password="battery staple"), bool(told)) == ("", False)


@pytest.mark.parametrize(
    "asked", [{"password": PASSWORD, "no_password": True}, {"password": PASSWORD, "new_password": True}]
)
async def test_one_password_is_asked_for(desk: Desk, asked: dict[str, Any]) -> None:
    await desk.add()
    with pytest.raises(PillarboxError) as caught:
        await desk.submitters.change("printer", {}, **asked)
    assert caught.value.code == "submitter.one_password"


async def test_other_changes_leave_the_password(desk: Desk) -> None:
    await desk.add()
    await change(desk, rate=5)
    assert await desk.comes_in() == ""


# ---- senders


@pytest.mark.parametrize(
    ("senders", "expected"),
    [
        (["alias@x.example"], {"alias@x.example": ONE}),
        (["ALIAS@X.example", "ONE@contoso.example"], {"alias@x.example": ONE}),
        (["alias@x.example=two@CONTOSO.example"], {"alias@x.example": TWO}),
        (["a=b@x.example=two@contoso.example"], {"a=b@x.example": TWO}),
        (["a=b@x.example"], {"a=b@x.example": ONE}),
        (["*@X.example=two@contoso.example"], {"*@x.example": TWO}),
    ],
)
async def test_further_senders(desk: Desk, senders: list[str], expected: dict[str, str]) -> None:
    own = {"one@contoso.example": ONE, "two@contoso.example": TWO}
    assert ways(await desk.add(senders=senders)) == own | expected


async def test_an_address_that_has_a_mailbox_leaves_from_it(desk: Desk) -> None:
    added = await desk.add(mailboxes=[ONE], senders=["two@contoso.example", "x@contoso.example"])
    assert ways(added) == {"one@contoso.example": ONE, "two@contoso.example": TWO, "x@contoso.example": ONE}


async def test_the_first_mailbox_stays_the_first(desk: Desk) -> None:
    added = await desk.add(mailboxes=[TWO, ONE], senders=["a@x.example"])
    assert list(ways(added).items()) == [
        ("two@contoso.example", TWO),
        ("one@contoso.example", ONE),
        ("a@x.example", TWO),
    ]
    await desk.submitters.load()
    assert list(ways(await desk.submitters.get("printer"))) == list(ways(added))


async def test_every_address_of_a_domain_by_an_app_registration(desk: Desk) -> None:
    added = await desk.add(
        mailboxes=[], senders=["*@contoso.example", "*@x.example=two@contoso.example"], app="contoso"
    )
    assert ways(added) == {"*@contoso.example": "app contoso", "*@x.example": TWO}
    assert isinstance(added.domains["contoso.example"], AppRegistration)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"mailboxes": []}, "no_sender"),
        ({"mailboxes": [], "senders": ["a@x.example"]}, "no_sender"),
        ({"mailboxes": ["x@contoso.example"]}, "mailbox.not_found"),
        ({"senders": ["a@x.example=x@contoso.example"]}, "mailbox.not_found"),
        ({"senders": ["*@x.example=x@contoso.example"]}, "mailbox.not_found"),
        ({"senders": ["a@x.example=nonsense"]}, "mailbox.not_found"),
        ({"senders": ["nonsense"]}, "mailbox.bad_address"),
        ({"senders": ["a@"]}, "mailbox.bad_address"),
        ({"senders": ["a b@x"]}, "mailbox.bad_address"),
        ({"senders": ["\udcff@x"]}, "mailbox.bad_address"),
        ({"senders": [""]}, "mailbox.bad_address"),
        ({"senders": ["*@"]}, "mailbox.bad_address"),
        ({"senders": ["*@*.example=one@contoso.example"]}, "mailbox.bad_address"),
        ({"senders": ["*@x.example"]}, "domain_without_mailbox"),
        ({"senders": ["*@x.example"], "app": "nobody"}, "app.not_found"),
        ({"senders": ["*@x.example"], "app": "public"}, "app.no_credential"),
        ({"senders": ["a@x.example"], "app": "contoso"}, "app_without_domain"),
        ({"app": "contoso"}, "app_without_domain"),
        ({"senders": ["a@x.example=one@contoso.example", "A@x.example=two@contoso.example"]}, "two_mailboxes"),
        ({"senders": ["one@contoso.example=two@contoso.example"]}, "two_mailboxes"),
        ({"senders": ["*@x.example=one@contoso.example", "*@X.example=two@contoso.example"]}, "two_mailboxes"),
    ],
)
async def test_senders_that_are_refused(desk: Desk, wish: dict[str, Any], code: str) -> None:
    await desk.accounts.add_app("public", "t", "c", Secret(""), kind=None)
    assert await code_of(desk, **wish) == code


async def test_new_mailboxes_replace_the_old_and_leave_the_aliases(desk: Desk) -> None:
    await desk.add(mailboxes=[ONE, TWO], senders=["a@x.example=one@contoso.example", "*@y.example=two@contoso.example"])
    assert ways(await change(desk, senders=["b@x.example"])) == {
        "one@contoso.example": ONE,
        "two@contoso.example": TWO,
        "b@x.example": ONE,
    }
    assert ways(await change(desk, mailboxes=[ONE])) == {"one@contoso.example": ONE, "b@x.example": ONE}
    assert ways(await change(desk, mailboxes=[TWO], senders=[])) == {"two@contoso.example": TWO}


@pytest.mark.parametrize("sender", ["a@x.example=two@contoso.example", "*@x.example=two@contoso.example"])
async def test_a_mailbox_is_not_taken_away_under_an_alias(desk: Desk, sender: str) -> None:
    await desk.add(senders=[sender])
    assert await change_code(desk, mailboxes=[ONE]) == "alias_left"


async def test_a_mailbox_that_was_tested_meanwhile_is_the_same_mailbox(desk: Desk) -> None:
    await desk.add(mailboxes=[ONE])
    one = await desk.accounts.mailbox(ONE)
    assert one is not None
    assert await desk.accounts.set_assurance(one, "verify")
    assert ways(await change(desk, senders=[ONE, "a@x.example"])) == {ONE: ONE, "a@x.example": ONE}


async def test_all_senders_cannot_be_taken_away(desk: Desk) -> None:
    await desk.add()
    assert await change_code(desk, mailboxes=[]) == "no_sender"


# ---- ways in


async def test_the_narrowest_network_says_who_it_is(desk: Desk) -> None:
    await desk.add("wide", networks=["192.0.2.0/24"])
    await desk.add("narrow", networks=["192.0.2.7", "2001:db8:7::/48"])
    peers = ["192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8", "2001:db8:7::1", "203.0.113.1", ""]
    found = [desk.submitters.of_network(peer) for peer in peers]
    assert [one and one.name for one in found] == ["narrow", "narrow", "wide", "narrow", None, None]


async def test_a_disabled_submitter_is_nobody_and_none_of_a_wider_network(desk: Desk) -> None:
    await desk.add("wide", networks=["192.0.2.0/24"])
    await desk.add("narrow", networks=["192.0.2.7"], users=[ME], enabled=False)
    assert desk.submitters.of_network("192.0.2.7") is None
    with pytest.raises(Forbidden) as caught:  # whose mail waits in the fallback folder
        desk.submitters.of_unix(os.getuid())
    assert caught.value.code == "submitter.disabled"


async def test_a_user_of_this_machine(desk: Desk) -> None:
    await desk.add("root-mail", users=["3999999999"], groups=["no-such-group"])
    await desk.add("mine", users=[ME])
    assert [(found := desk.submitters.of_unix(uid)) and found.name for uid in (os.getuid(), 3_999_999_999, 4)] == [
        "mine",
        "root-mail",
        None,
    ]


@pytest.mark.parametrize("name", ["²", "٣", "no-such-user"])
async def test_who_this_machine_does_not_know_is_nobody_and_stops_nothing(desk: Desk, name: str) -> None:
    await desk.add("stranger", users=[name], groups=[name])
    await desk.add("other", users=["no-such-either"])
    await desk.submitters.load()
    assert [desk.submitters.of_unix(uid) for uid in (2, 3)] == [None, None]


async def test_who_a_user_is_now_is_looked_up_also_while_nobody_comes(desk: Desk) -> None:
    await desk.add("mine", users=[ME])
    again = desk.another(refreshed=0.001)
    await again.load()
    evening = again._unix
    evening._users.clear()  # as if the user had been made in the night
    while again._unix is evening:
        await desk.accounts.apps()
    assert (found := again.of_unix(os.getuid())) is not None
    assert found.name == "mine"
    await again.stop()


async def test_changes_of_networks_and_users_count_at_once(desk: Desk) -> None:
    await desk.add(networks=["192.0.2.7"], users=[ME])
    after = await change(desk, networks=["192.0.2.8"], users=[], groups=["lp"])
    assert [desk.submitters.of_network(f"192.0.2.{n}") for n in (7, 8)] == [None, after]
    assert [rule.kind for rule in after.unix] == ["group"]
    await desk.submitters.remove("printer")
    assert desk.submitters.of_network("192.0.2.8") is None


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"networks": ["0.0.0.0/0"]}, "wide_network"),
        ({"networks": ["192.0.2.7/24"]}, "host_bits"),
        ({"networks": ["printers"]}, "bad_network"),
        ({"users": ["a b"]}, "bad_unix"),
        ({"groups": [""]}, "bad_unix"),
        ({"recipients": ["nonsense"]}, "bad_recipient"),
        ({"recipients": ["*"]}, "bad_recipient"),
        ({"recipients": ["*@"]}, "bad_recipient"),
        ({"recipients": [""]}, "bad_recipient"),
        ({"networks": ["198.51.100.0/24"]}, "network_taken"),
        ({"networks": ["::ffff:198.51.100.0/120"]}, "network_taken"),
        ({"users": ["cron"]}, "unix_taken"),
        ({"groups": ["0004"]}, "unix_taken"),
        ({"groups": [grp.getgrgid(4).gr_name]}, "unix_taken"),
        ({"users": [str(DAEMON)]}, "unix_taken"),
        ({"mailboxes": [], "senders": ["*@x.example"], "app": "contoso", "users": ["x"]}, "rule_without_mailbox"),
        (
            {"mailboxes": [], "senders": ["*@x.example"], "app": "contoso", "networks": ["192.0.2.7"]},
            "rule_without_mailbox",
        ),
    ],
)
async def test_rules_that_are_refused(desk: Desk, wish: dict[str, Any], code: str) -> None:
    await desk.add("other", networks=["198.51.100.0/24"], users=["cron", "daemon"], groups=["4"])
    assert await code_of(desk, **wish) == code
    await desk.add()
    if "mailboxes" not in wish:
        assert await change_code(desk, **wish) == code


async def test_who_has_a_network_may_name_it_again(desk: Desk) -> None:
    await desk.add(networks=["192.0.2.7"], users=["cron"])
    assert (await change(desk, networks=["192.0.2.7", "192.0.2.8"], users=["cron"])).networks[0] == "192.0.2.7/32"


async def test_some_way_in_must_be_left(desk: Desk) -> None:
    with pytest.raises(PillarboxError) as caught:
        await desk.submitters.add("printer", {"mailboxes": [ONE]}, no_password=True)
    assert caught.value.code == "submitter.no_way_in"
    await desk.submitters.add("printer", {"mailboxes": [ONE], "networks": ["192.0.2.7"]}, no_password=True)
    assert await change_code(desk, networks=[]) == "no_way_in"
    assert not (await change(desk, networks=[], users=["cron"])).networks


async def test_a_token_is_a_way_in(desk: Desk) -> None:
    await desk.add()
    token = await desk.submitters.add_token("printer", "jenkins")
    after, _ = await desk.submitters.change("printer", {}, no_password=True)
    assert (after.has_password, await desk.comes_in()) == (False, "submitter.wrong_password")
    assert await desk.comes_in_by_token("printer", token) == ""


# ---- what else it may do


async def test_everything_else_is_kept_and_changed(desk: Desk) -> None:
    plain = await desk.add()
    assert (plain.force_from, plain.fix_from, plain.recipients) == (False, False, ())
    assert (plain.rate, plain.max_size, plain.enabled, plain.last_used_at) == (0, 0, True, None)
    wish: dict[str, Any] = {"force_from": True, "fix_from": True, "rate": 5, "max_size": 9}
    after = await change(desk, recipients=["Alice@X.example", "*@Contoso.example", "alice@x.example"], **wish)
    assert after.recipients == ("alice@x.example", "*@contoso.example")
    assert {key: getattr(after, key) for key in wish} == wish
    assert await change(desk) == after
    assert (await change(desk, recipients=[], rate=0)).recipients == ()


async def test_the_operator_may_use_every_mailbox(desk: Desk) -> None:
    assert set((await desk.submitters.operator()).senders) == {"one@contoso.example", "two@contoso.example"}


async def test_who_is_not_there(desk: Desk) -> None:
    for ask in (
        desk.submitters.get("nobody"),
        desk.submitters.change("nobody", {}),
        desk.submitters.remove("nobody"),
        desk.submitters.tokens("nobody"),
        desk.submitters.add_token("nobody", "x"),
        desk.submitters.remove_token("nobody", "x"),
    ):
        with pytest.raises(PillarboxError) as caught:
            await ask
        assert caught.value.code == "submitter.not_found"


# ---- connections that are kept open


async def come_in(desk: Desk) -> Submitter:
    return await desk.submitters.authenticate(Login("printer", PASSWORD, "PLAIN", PEER))


async def test_a_kept_connection_sees_what_it_may_do_now(desk: Desk) -> None:
    await desk.add()
    kept = await come_in(desk)
    await change(desk, rate=5, senders=["new@x.example"], force_from=True)
    now = desk.submitters.current(kept)
    assert (now.rate, now.force_from, "new@x.example" in now.senders) == (5, True, True)


async def test_a_kept_connection_of_one_that_is_disabled_or_removed_does_nothing_more(desk: Desk) -> None:
    await desk.add()
    kept = await come_in(desk)
    await change(desk, enabled=False)
    with pytest.raises(Forbidden) as caught:
        desk.submitters.current(kept)
    assert caught.value.code == "submitter.disabled"
    await change(desk, enabled=True)
    assert desk.submitters.current(kept).enabled
    await desk.submitters.remove("printer")
    await desk.add("another")
    await desk.add()
    with pytest.raises(Forbidden) as caught:
        desk.submitters.current(kept)
    assert caught.value.code == "submitter.gone"


async def by_all_ways(desk: Desk) -> dict[str, Submitter]:
    """Connections of one submitter, by how each came in."""
    random = iter(range(256))
    desk.submitters._random = lambda size: bytes([next(random)]) * size
    await desk.add(networks=["192.0.2.7"], users=[ME], groups=["no-such-group"])
    tokens = [await desk.submitters.add_token("printer", name) for name in ("jenkins", "nightly")]
    came = {"password": await come_in(desk)}
    for name, token in zip(("jenkins", "nightly"), tokens, strict=True):
        came[name] = await desk.submitters.authenticate(Login("printer", token, "XOAUTH2", PEER))
    for name, found in (
        ("network", desk.submitters.of_network("192.0.2.7")),
        ("user", desk.submitters.of_unix(os.getuid())),
    ):
        assert found is not None
        came[name] = found
    return came


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (lambda desk: desk.submitters.change("printer", {}, Secret("battery staple")), {"password"}),
        (lambda desk: desk.submitters.change("printer", {}, no_password=True), {"password"}),
        (lambda desk: desk.submitters.change("printer", {"networks": ["192.0.2.8"]}), {"network"}),
        (lambda desk: desk.submitters.change("printer", {"users": []}), {"user"}),
        (lambda desk: desk.submitters.change("printer", {"groups": []}), set()),
        (lambda desk: desk.submitters.remove_token("printer", "jenkins"), {"jenkins"}),
        (lambda desk: desk.submitters.add_token("printer", "another"), set()),
        (lambda desk: desk.submitters.change("printer", {"networks": ["192.0.2.7", "192.0.2.8"]}), set()),
        (lambda desk: desk.submitters.change("printer", {"users": [ME, "cron"]}), set()),
        (lambda desk: desk.submitters.change("printer", {"rate": 5}), set()),
    ],
)
async def test_a_change_of_a_way_in_ends_the_connections_that_came_by_it_and_no_others(
    desk: Desk, end: Callable[[Desk], Awaitable[object]], ended: set[str]
) -> None:
    came = await by_all_ways(desk)
    await end(desk)
    for name, kept in came.items():
        if name not in ended:
            # Twice: what it is now is still what came in by that way.
            assert desk.submitters.current(desk.submitters.current(kept)).way == kept.way
            continue
        with pytest.raises(Unavailable) as caught:
            desk.submitters.current(kept)
        assert (caught.value.code, caught.value.entry.smtp) == ("submitter.changed", "421 4.7.0")


async def test_what_was_added_counts_after_a_start(desk: Desk) -> None:
    await desk.add(networks=["192.0.2.7"])
    kept = await come_in(desk)
    again = desk.another()
    await again.load()
    assert again.current(kept) == again.of_network("192.0.2.7") == kept
    await again.stop()


# ---- when it was used last


async def used(desk: Desk) -> tuple[float | None, float | None]:
    """As it is known, and as it is kept."""
    desk.submitters.used(await desk.submitters.get("printer"))
    while desk.submitters._writing:
        await desk.accounts.apps()
    (kept,) = await desk.store.load()
    return (await desk.submitters.get("printer")).last_used_at, kept.submitter.last_used_at


async def test_when_it_was_used_is_kept_at_most_once_a_minute(desk: Desk) -> None:
    await desk.add()
    began = desk.now
    assert await used(desk) == (began, began)
    desk.now += 59
    assert await used(desk) == (began, began)
    desk.now += 1
    assert await used(desk) == (began + 60, began + 60)
    await change(desk, rate=1)
    assert (await desk.submitters.get("printer")).last_used_at == began + 60


async def test_one_that_was_removed_meanwhile_and_the_operator_are_not_kept(desk: Desk) -> None:
    gone = await desk.add()
    await desk.submitters.remove("printer")
    desk.submitters.used(gone)
    desk.submitters.used(await desk.submitters.operator())
    assert not desk.submitters._writing


async def test_a_store_that_is_closed_is_no_reason_to_fail(desk: Desk) -> None:
    submitter = await desk.add()
    await desk.store._database.close()
    desk.submitters.used(submitter)
    await desk.submitters.stop()


async def test_two_that_are_added_at_once_are_two_or_one(desk: Desk) -> None:
    results = await asyncio.gather(desk.add(), desk.add(), desk.add("other"), return_exceptions=True)
    assert [isinstance(one, Conflict) for one in results] == [False, True, False]
    assert [one.name for one in await desk.submitters.list()] == ["other", "printer"]


WRONG = AuthenticationFailed("submitter.wrong_password")


def noted(desk: Desk) -> list[tuple[str, str, object]]:
    """What was refused: to whom, its code, and the name in it."""
    return [(one.submitter, one.code, one.params.get("name")) for one in desk.submitters.refusals]


@pytest.mark.parametrize(
    ("claimed", "told"),
    [
        ("printer", ("printer", "submitter.password_refused", "printer")),
        ("closed", ("closed", "submitter.wrong_password", None)),
        ("Prnter", ("", "submitter.name_mistyped", "printer")),
        ("hunter2", ("", "submitter.wrong_password", None)),
        ("printer" * 10, ("", "submitter.wrong_password", None)),
    ],
)
async def test_administrators_are_told_whether_the_name_or_the_password_was_wrong(
    desk: Desk, claimed: str, told: tuple[str, str, object]
) -> None:
    await desk.add()
    await desk.add("closed")
    await desk.submitters.change("closed", {"enabled": False})
    desk.submitters.refused("", claimed, WRONG, PEER)
    assert noted(desk) == [told]


def test_of_many_names_a_mistyped_one_is_compared_in_full_with_few() -> None:
    compared = []

    class Name(str):
        def lower(self) -> str:
            compared.append(self)
            return super().lower()

    names = [Name(f"printer-{number:03}") for number in range(300)]
    assert _like("123-retnirp", names) == ""
    assert len(compared) == len(names) + 10
    assert _like("Pinter-123", names) == "printer-123"


async def test_who_is_kept_out_with_others_is_told_whose_password_it_was(desk: Desk) -> None:
    await desk.add()
    await desk.add("copier")
    banned = Unavailable("submitter.banned")
    for number in range(10):
        await desk.comes_in("printer", f"wrong {number}")
    desk.submitters.refused("", "copier", banned, PEER)
    desk.submitters.refused("", "printer", WRONG, PEER)
    desk.submitters.refused("", "copier", banned, PEER)
    desk.submitters.refused("", "copier", banned, "192.0.2.99")
    until = {"address": PEER, "moment": "2027-01-15 08:10:00 UTC"}
    found = {one.code: one.params for one in desk.submitters.refusals if one.submitter == "copier"}
    assert found == {
        "submitter.banned_until": until,
        "submitter.banned_beside": {**until, "name": "printer"},
        "submitter.banned": {},
    }


async def test_an_address_that_is_let_in_comes_in_at_once_and_no_page_says_that_it_is_kept_out(desk: Desk) -> None:
    await desk.add()
    for number in range(10):
        await desk.comes_in("printer", f"wrong {number}")
    assert await desk.comes_in() == "submitter.banned"
    desk.submitters.refused("", "printer", Unavailable("submitter.banned"), PEER)
    assert desk.submitters.kept_out_until(PEER) == desk.now + 600
    assert [desk.submitters.let_in(PEER), desk.submitters.let_in(PEER)] == [True, False]
    assert (desk.submitters.kept_out_until(PEER), noted(desk)) == (None, [])
    assert await desk.comes_in() == ""
    assert len(desk.log.lines("login.unbanned")) == 1


async def test_strangers_of_this_house_are_told_until_somebody_comes_in_there(desk: Desk) -> None:
    await desk.add()
    no_login = InvalidInput("smtp.auth_required")
    for peer in ("10.0.0.1", "10.0.0.2", "fd00::1", "127.0.0.3", "8.8.8.8", "2a00::1", "unknown"):
        desk.submitters.refused("", "", no_login, peer)
    desk.submitters.refused("", "", Unavailable("smtp.timeout"), "10.0.0.9")  # of no mail
    desk.submitters.refused("", "printer", WRONG, "10.0.0.8")
    desk.now += 1
    desk.submitters.refused("", "prnter", WRONG, "10.0.0.2")
    told = desk.submitters.strangers()
    assert {peer: error.code for peer, error in told.items()} == {
        "10.0.0.2": "submitter.name_mistyped",
        **dict.fromkeys(("10.0.0.1", "fd00::1", "127.0.0.3"), "smtp.auth_required"),
    }
    assert next(iter(told)) == "10.0.0.2"
    assert await desk.comes_in(peer="10.0.0.2") == ""
    await desk.add("fax", password=None, networks=["10.0.0.1"])
    assert set(desk.submitters.strangers()) == {"fd00::1", "127.0.0.3"}
    desk.now += 86_400
    assert desk.submitters.strangers() == {}


async def test_who_is_turned_away_is_told_until_it_hands_in_a_message_is_kept_out_or_comes_no_more(desk: Desk) -> None:
    for name in ("printer", "copier", "fax", "erp"):
        await desk.add(name)
    submitters = desk.submitters
    submitters.refused("erp", "", Unavailable("smtp.timeout"), PEER)  # of no mail
    submitters.refused("", "printer", WRONG, PEER)
    desk.now += 86_000
    submitters.refused("", "copier", WRONG, PEER)
    submitters.refused("", "fax", WRONG, PEER)
    desk.now += 1
    submitters.refused("fax", "", Forbidden("submitter.disabled", name="fax"), PEER)
    assert {name: error.code for name, error in submitters.turned_away().items()} == {
        "fax": "submitter.disabled",
        "copier": "submitter.password_refused",
        "printer": "submitter.password_refused",
    }
    assert next(iter(submitters.turned_away())) == "fax"
    submitters.used(await submitters.get("fax"))
    await submitters.change("copier", {"enabled": False})
    assert list(submitters.turned_away()) == ["printer"]
    desk.now += 1000
    assert submitters.turned_away() == {}
