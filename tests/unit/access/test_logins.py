"""Logins: who is let in, what a wrong one costs, and that nobody learns by it which names there are."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pillarbox.access.guard import Patience
from pillarbox.access.passwords import Passwords
from pillarbox.access.submitters import OPERATOR
from pillarbox.core.accounts import Login
from pillarbox.core.errors import PillarboxError
from pillarbox.core.vault import Secret
from tests.unit.access.desk import PASSWORD, PEER, Desk

WRONG = "submitter.wrong_password"
BUSY = "submitter.busy"
BANNED = "submitter.banned"


# ---- who comes in


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("printer", "correct horse", ""),
        ("printer", "Correct horse", WRONG),
        ("printer", "correct horse ", WRONG),
        ("printer", "", WRONG),
        ("printer", "\udcff", WRONG),
        ("Printer", "correct horse", WRONG),
        ("nobody", "correct horse", WRONG),
        ("", "", WRONG),
        (OPERATOR, "", WRONG),
        ("\udcff" * 9999, "correct horse", WRONG),
    ],
)
async def test_only_the_right_name_and_password(desk: Desk, name: str, password: str, expected: str) -> None:
    await desk.add()
    assert await desk.comes_in(name, password) == expected


async def test_who_has_no_password_does_not_come_in_by_one(desk: Desk) -> None:
    await desk.submitters.add(
        "scanner", {"mailboxes": ["one@contoso.example"], "networks": ["192.0.2.7"]}, no_password=True
    )
    assert [await desk.comes_in("scanner", password) for password in ("", "correct horse")] == [WRONG] * 2


async def test_one_that_is_disabled_fails_like_anybody_and_the_log_says_why(desk: Desk) -> None:
    await desk.add()
    assert await desk.comes_in() == ""
    token = await desk.submitters.add_token("printer", "jenkins")
    await desk.submitters.change("printer", {"enabled": False})
    before = desk.hashes
    assert [await desk.comes_in() for _ in range(2)] == [WRONG] * 2
    assert [await desk.comes_in(password="wrong"), await desk.comes_in_by_token("printer", token)] == [WRONG] * 2
    assert (desk.delays, desk.hashes - before) == ([1, 2, 3, 4], 3)
    assert len(desk.log.lines("login.disabled")) == 4
    assert f"submitter=printer address={PEER}" in desk.log.lines("login.disabled")[0]
    for _ in range(6):
        await desk.comes_in()
    assert await desk.comes_in(peer="192.0.2.99") == WRONG
    await desk.submitters.change("printer", {"enabled": True})
    assert await desk.comes_in(peer="192.0.2.99") == ""


async def test_the_password_is_kept_as_an_argon2id_hash(desk: Desk, tmp_path: Path) -> None:
    await desk.add()
    (found,) = await desk.store.load()
    assert found.password_hash.startswith("$argon2id$")
    assert not any(PASSWORD.reveal().encode() in path.read_bytes() for path in tmp_path.glob("store.db*"))


# ---- what it costs


@dataclass
class Busy:
    """All hashing threads are busy: whoever hashes now waits."""

    passwords: Passwords
    free: threading.Event

    def __enter__(self) -> None:
        for _ in range(2):
            self.passwords._threads.submit(self.free.wait, 20)

    def __exit__(self, *_: object) -> None:
        self.free.set()


def busy(desk: Desk) -> Busy:
    return Busy(desk.submitters._passwords, threading.Event())


async def turns(desk: Desk) -> None:
    """Far more turns of the loop than a login takes that does not hash."""
    for _ in range(20):
        await desk.accounts.apps()


@pytest.mark.parametrize("name", ["printer", "nobody", "", "scanner"])
async def test_a_wrong_login_costs_one_hash_and_the_same_delays_whatever_the_name(desk: Desk, name: str) -> None:
    await desk.add()
    await desk.submitters.add(
        "scanner", {"mailboxes": ["one@contoso.example"], "networks": ["192.0.2.7"]}, no_password=True
    )
    assert [await desk.comes_in(name, f"wrong {n}") for n in range(11)] == [WRONG] * 10 + [BANNED]
    assert (desk.hashes, desk.delays) == (10, [1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 1])


async def test_a_right_login_waits_for_nothing(desk: Desk) -> None:
    await desk.add()
    for _ in range(3):
        assert await desk.comes_in() == ""
    assert desk.delays == []


async def test_a_login_that_was_right_is_remembered_for_an_hour(desk: Desk) -> None:
    await desk.add()
    hashes = []
    for seconds in (0, 3599, 1):
        desk.now += seconds
        assert await desk.comes_in() == ""
        hashes.append(desk.hashes)
    assert hashes == [1, 1, 2]


async def test_a_wrong_password_is_not_let_in_by_what_is_remembered(desk: Desk) -> None:
    await desk.add()
    assert [await desk.comes_in(), await desk.comes_in(password="wrong")] == ["", WRONG]
    assert desk.hashes == 2


async def test_what_is_remembered_is_forgotten_in_time_and_holds_no_password(desk: Desk) -> None:
    await desk.add()
    await desk.add("other")
    await desk.comes_in()
    remembered = desk.submitters._passwords
    assert PASSWORD.reveal() not in repr(remembered._right)
    desk.now += 3600
    await desk.comes_in("other")
    assert len(remembered._right) == 1


async def test_a_device_with_many_connections_at_once_costs_one_hash(desk: Desk) -> None:
    await desk.add()
    assert set(await asyncio.gather(*(desk.comes_in() for _ in range(20)))) == {""}
    assert desk.hashes == 1


async def test_passwords_are_hashed_by_the_pool_and_never_in_the_loop(desk: Desk) -> None:
    await desk.add()
    closed = desk.another()
    await closed.load()
    await closed.stop()
    with pytest.raises(RuntimeError, match="after shutdown"):
        await closed.add("late", {"mailboxes": ["one@contoso.example"]}, PASSWORD)
    desk.submitters, open_again = closed, desk.submitters
    with pytest.raises(RuntimeError, match="after shutdown"):
        await desk.comes_in()
    desk.submitters = open_again


# ---- guessing


async def test_an_address_is_banned_and_its_ban_ends(desk: Desk) -> None:
    await desk.add()
    for n in range(10):
        assert await desk.comes_in(f"name {n}", "wrong") == WRONG
    assert (await desk.comes_in(), desk.submitters.is_banned(PEER)) == (BANNED, True)
    assert not desk.submitters.is_banned("192.0.2.8")
    desk.now += 600
    assert (await desk.comes_in(), desk.submitters.is_banned(PEER)) == ("", False)


async def test_the_whole_64_of_an_ipv6_address_is_one_client(desk: Desk) -> None:
    for n in range(10):
        await desk.comes_in("nobody", "wrong", f"2001:db8:1:2::{n:x}")
    assert desk.submitters.is_banned("2001:db8:1:2:ffff::1")
    assert not desk.submitters.is_banned("2001:db8:1:3::1")


async def test_an_ipv4_address_is_one_client_in_any_clothes(desk: Desk) -> None:
    for _ in range(10):
        await desk.comes_in("nobody", "wrong", "::ffff:192.0.2.7")
    assert desk.submitters.is_banned("192.0.2.7")


async def test_a_ban_and_its_end_are_told_in_the_log_with_the_address(desk: Desk) -> None:
    for _ in range(10):
        await desk.comes_in("nobody", "wrong")
    desk.now += 600
    desk.submitters.is_banned("192.0.2.8")
    told = [*desk.log.lines("login.banned"), *desk.log.lines("login.unbanned")]
    assert len(told) == 2
    assert f"level=warning event=login.banned address={PEER} submitter=nobody seconds=600.0" in told[0]
    assert f"level=info event=login.unbanned address={PEER}" in told[1]


async def test_the_end_of_a_ban_is_told_though_nobody_comes(desk: Desk) -> None:
    desk.patience = Patience(ban=0.01, of_site=1)
    desk.submitters = desk.another()
    await desk.comes_in("nobody", "wrong")
    desk.now += 1
    while not desk.log.lines("login.unbanned"):
        await desk.log.next()
    await desk.submitters.stop()


async def test_the_right_user_comes_in_from_elsewhere_while_one_address_guesses(desk: Desk) -> None:
    await desk.add()
    for n in range(100):
        await desk.comes_in("printer", f"wrong {n}", "127.0.0.2")
    assert await desk.comes_in(peer="127.0.0.3") == ""


async def test_a_network_of_a_submitter_is_let_connect_though_somebody_guesses_from_there(desk: Desk) -> None:
    await desk.add(networks=[PEER])
    for _ in range(10):
        await desk.comes_in("nobody", "wrong")
    assert (desk.submitters.is_banned(PEER), await desk.comes_in("nobody", "wrong")) == (False, BANNED)


async def test_a_success_takes_no_failure_back(desk: Desk) -> None:
    await desk.add()
    for n in range(9):
        assert await desk.comes_in("printer", f"wrong {n}") == WRONG
    assert await desk.comes_in() == ""
    assert await desk.comes_in("printer", "wrong again") == WRONG
    assert await desk.comes_in("printer", "wrong again") == BANNED


async def test_what_is_remembered_comes_in_though_its_address_is_banned(desk: Desk) -> None:
    await desk.add()
    await desk.comes_in()
    for n in range(10):
        await desk.comes_in("printer", f"wrong {n}")
    assert [await desk.comes_in(), await desk.comes_in("printer", "wrong")] == ["", BANNED]


async def guess(desk: Desk, tries: int, names: int) -> set[str]:
    """Guesses from fifty addresses, all at once."""
    logins = (desk.comes_in(f"n{n % names}", f"wrong {n}", f"127.0.1.{n % 50}") for n in range(tries))
    return set(await asyncio.gather(*logins))


@pytest.mark.parametrize("names", [1, 1000])
async def test_a_thousand_guesses_from_fifty_addresses_cost_less_than_thirty_hashes(desk: Desk, names: int) -> None:
    await desk.add("n0")
    assert await guess(desk, 1000, names) == {WRONG, BUSY, BANNED}
    assert desk.hashes < 30
    assert len(desk.delays) == 1000  # nobody is refused at once


async def test_a_thousand_guesses_cost_less_than_thirty_hashes_also_where_the_name_is_known(desk: Desk) -> None:
    await desk.add("n0")
    assert await desk.comes_in("n0", peer="127.0.1.7") == ""
    before = desk.hashes
    await guess(desk, 1000, 1)
    assert desk.hashes - before < 30


# ---- which names there are, asked from where one of them logged in


async def known_here(desk: Desk) -> None:
    """From PEER `printer` has logged in, before a start: its password must be hashed again, and nobody has failed."""
    if not await desk.submitters.list():
        await desk.add()
    assert await desk.comes_in() == ""
    await desk.submitters.stop()
    desk.submitters = desk.another()
    await desk.submitters.load()


async def nothing(_desk: Desk) -> None:
    """Nobody has failed."""


async def ban(desk: Desk) -> None:
    for n in range(10):
        await desk.comes_in(f"other {n}", "wrong")


async def spend(desk: Desk) -> None:
    """Of the budget that all strangers have nothing is left; this site has not failed."""
    for n in range(20):
        await desk.comes_in(f"other {n}", "wrong", f"198.51.100.{n}")


@dataclass
class Seen:
    """What one who guesses sees: the answers, and after which delays."""

    codes: list[str]
    delays: list[float]


async def asked(desk: Desk, name: str, times: int, peer: str = PEER) -> Seen:
    before = len(desk.delays)
    return Seen([await desk.comes_in(name, f"wrong {n}", peer) for n in range(times)], desk.delays[before:])


@pytest.mark.parametrize("times", [1, 30])
@pytest.mark.parametrize("trouble", [nothing, ban, spend])
async def test_a_known_name_is_told_from_no_other_by_a_wrong_password(
    desk: Desk, trouble: Callable[[Desk], Awaitable[None]], times: int
) -> None:
    seen = []
    for name in ("printer", "nobody"):
        await known_here(desk)
        await trouble(desk)
        first = await asked(desk, name, times)
        # Nor by what is left of it: another name, the door itself, another address, later on.
        then = []
        for _ in range(2):
            then.append((await asked(desk, "somebody", 2), desk.submitters.is_banned(PEER)))
            then.append((await asked(desk, "somebody", 2, "192.0.2.99"), desk.submitters.is_banned("192.0.2.99")))
            desk.now += 601
        seen.append((first, then))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("trouble", [nothing, ban, spend])
async def test_a_known_name_comes_in_by_the_right_password_at_once_whatever_there_is(
    desk: Desk, trouble: Callable[[Desk], Awaitable[None]]
) -> None:
    await known_here(desk)
    await trouble(desk)
    before = len(desk.delays)
    assert (await desk.comes_in(), desk.delays[before:]) == ("", [])


async def test_a_right_login_is_counted_against_nobody_while_a_budget_is_spent(desk: Desk) -> None:
    await known_here(desk)
    for _ in range(12):
        await spend(desk)
        assert await desk.comes_in() == ""
        desk.submitters._passwords._right.clear()
    desk.now += 60
    before = len(desk.delays)
    assert (await desk.comes_in("nobody", "wrong"), desk.delays[before:]) == (WRONG, [1])


async def test_of_many_guesses_at_once_a_known_name_has_the_place_of_any_other(desk: Desk) -> None:
    """Those in front get one answer, those behind another; the first of all is told from none behind it."""
    seen = []
    desk.patience = Patience(of_site=1000)
    for name in ("printer", "nobody"):
        await known_here(desk)
        names = [name, *(f"other {n}" for n in range(30)), name]
        with busy(desk):
            logins = [asyncio.create_task(desk.comes_in(one, "wrong")) for one in names]
            await turns(desk)
        answers = await asyncio.gather(*logins)
        seen.append((answers[0], answers[-1], sorted(answers)))
    assert seen[0] == seen[1]
    assert seen[0][:2] == (WRONG, BUSY)


async def test_a_refusal_waits_what_is_left_of_its_second(desk: Desk) -> None:
    """Whoever was hashed first has waited longer already."""
    await known_here(desk)
    await ban(desk)
    with busy(desk):
        login = asyncio.create_task(desk.comes_in("printer", "wrong"))
        await turns(desk)
        desk.now += 0.25
    assert (await login, desk.delays[-1]) == (BANNED, 0.75)


async def test_many_wrong_passwords_at_once_where_a_name_is_known_cost_few_hashes(desk: Desk) -> None:
    await known_here(desk)
    await ban(desk)
    before = desk.hashes
    answers = await asyncio.gather(*(desk.comes_in("printer", f"wrong {n}") for n in range(100)))
    assert set(answers) == {BANNED}
    assert desk.hashes - before <= 11  # ten, and one that had begun


async def test_who_came_in_before_comes_in_while_fifty_addresses_guess(desk: Desk) -> None:
    await desk.add("n0")
    assert await desk.comes_in("n0") == ""
    desk.now += 86_400
    guessing = asyncio.create_task(guess(desk, 100, 1))
    assert await desk.comes_in("n0") == ""
    await guessing
    assert await desk.comes_in("n0", peer="192.0.2.9") == ""  # remembered, from wherever
    assert await desk.comes_in("n0", "wrong", "192.0.2.10") == BUSY


async def test_after_a_start_who_came_in_before_comes_in_while_many_guess(desk: Desk) -> None:
    await desk.add("n0")
    assert await desk.comes_in("n0") == ""
    await desk.submitters.stop()
    desk.submitters = desk.another()
    await desk.submitters.load()
    await guess(desk, 100, 1)
    assert [await desk.comes_in("n0", peer=peer) for peer in ("192.0.2.10", PEER)] == [BUSY, ""]


async def test_where_it_is_known_is_written_once_a_day_and_forgotten_in_time(desk: Desk) -> None:
    await desk.add()
    began, known = desk.now, []
    for hours in (0, 1, 22, 1, 24 * 9):
        desk.now += hours * 3600.0
        await desk.comes_in(peer=f"192.0.2.{8 if hours > 24 else 7}")
        while desk.submitters._writing:
            await desk.accounts.apps()
        known.append([(one.site, one.name, one.at - began) for one in await desk.store.known_sites(0.0, 9)])
    day = 86400.0
    assert known[:3] == [[(PEER, "printer", 0.0)]] * 3
    assert known[3:] == [[(PEER, "printer", day)], [("192.0.2.8", "printer", 10 * day)]]


async def test_a_clock_that_was_ahead_and_is_put_right_keeps_nobody_out(desk: Desk) -> None:
    await desk.add()
    desk.wrong = 4 * 365 * 86_400.0
    await guess(desk, 1000, 1000)
    assert desk.submitters.is_banned("127.0.1.1")
    desk.wrong = 0.0
    desk.now += 600
    assert (desk.submitters.is_banned("127.0.1.1"), await desk.comes_in(peer="127.0.1.1")) == (False, "")
    assert await desk.comes_in(peer="192.0.2.9") == ""


async def test_a_clock_that_is_put_ahead_makes_strangers_of_nobody_and_remembers_no_password_longer(desk: Desk) -> None:
    await desk.add("n0")
    assert await desk.comes_in("n0") == ""
    desk.wrong = 4 * 365 * 86_400.0
    await guess(desk, 100, 1)
    assert [await desk.comes_in("n0", peer=peer) for peer in (PEER, "192.0.2.9")] == ["", ""]
    desk.now, desk.wrong = desk.now + 3600, 0.0
    before = desk.hashes
    assert (await desk.comes_in("n0"), desk.hashes - before) == ("", 1)


@pytest.mark.parametrize(("longer", "answer"), [(0.0, ""), (1.0, BUSY)])
async def test_who_came_in_while_the_clock_was_ahead_is_known_as_long_as_anybody_after_a_start(
    desk: Desk, longer: float, answer: str
) -> None:
    await desk.add("n0")
    desk.wrong = 86_400.0
    assert await desk.comes_in("n0") == ""
    await desk.submitters.stop()
    desk.wrong = 0.0
    desk.submitters = desk.another()
    await desk.submitters.load()
    desk.now += desk.patience.lasting + longer
    await guess(desk, 100, 1)
    assert await desk.comes_in("n0") == answer


async def test_a_removed_submitter_is_known_nowhere(desk: Desk) -> None:
    await desk.add()
    await desk.comes_in()
    await desk.submitters.remove("printer")
    await desk.submitters.stop()
    assert await desk.store.known_sites(0.0, 9) == []


async def test_six_addresses_that_guess_keep_no_new_device_out(desk: Desk) -> None:
    await desk.add()
    for round_ in range(30):
        await asyncio.gather(*(desk.comes_in(f"u{n}", "wrong", f"127.0.7.{n % 6}") for n in range(18)))
        assert await desk.comes_in(peer=f"192.0.2.{round_ + 1}") == ""
        desk.now += 3601  # so that nothing is remembered


async def test_who_comes_again_all_the_time_is_banned(desk: Desk) -> None:
    desk.patience = Patience(of_all=0, all_reserve=0)
    desk.submitters = desk.another()
    assert [await desk.comes_in() for _ in range(11)] == [BUSY] * 10 + [BANNED]
    assert len(desk.log.lines("login.banned")) == 1
    await desk.submitters.stop()


async def test_strangers_do_not_take_the_last_thread(desk: Desk) -> None:
    await desk.add()
    await desk.comes_in()
    desk.now += 3600
    with busy(desk):
        strangers = [asyncio.create_task(desk.comes_in("nobody", f"{n}", f"198.51.100.{n}")) for n in range(5)]
        known = asyncio.create_task(desk.comes_in())
        await turns(desk)
        waiting = desk.submitters._passwords._threads._work_queue.qsize()
    assert waiting == 2  # one stranger, and who is known
    assert await known == ""
    assert set(await asyncio.gather(*strangers)) == {WRONG}


async def test_only_so_many_wait_for_a_hash(desk: Desk) -> None:
    desk.patience = Patience(waiting=3)
    desk.submitters = desk.another()
    with busy(desk):
        logins = [asyncio.create_task(desk.comes_in(f"n{n}", "wrong", f"198.51.100.{n}")) for n in range(5)]
        await turns(desk)
        assert [login.done() for login in logins] == [False, False, False, True, True]
    assert await asyncio.gather(*logins) == [WRONG] * 3 + [BUSY] * 2
    await desk.submitters.stop()


async def test_who_goes_away_while_it_is_hashed_has_failed_all_the_same(desk: Desk) -> None:
    for n in range(10):
        with busy(desk):
            login = asyncio.create_task(desk.comes_in("nobody", f"wrong {n}"))
            await turns(desk)
            login.cancel()
        await asyncio.wait([login])
        while desk.submitters._logins._running:
            await turns(desk)
    assert desk.submitters.is_banned(PEER)


# ---- tokens


async def test_a_token_comes_in_under_the_name_of_its_submitter_alone(desk: Desk) -> None:
    await desk.add()
    await desk.add("other")
    token = await desk.submitters.add_token("printer", "jenkins")
    assert token.reveal().startswith("pbx_")
    assert len(token.reveal()) == 4 + 43
    assert [await desk.comes_in_by_token(name, token) for name in ("printer", "other", "nobody", "")] == [
        "",
        *[WRONG] * 3,
    ]
    assert desk.hashes == 0


async def test_by_oauthbearer_a_token_may_say_alone_whose_it_is(desk: Desk) -> None:
    await desk.add()
    token = await desk.submitters.add_token("printer", "jenkins")
    found = await desk.submitters.authenticate(Login("", token, "OAUTHBEARER", PEER))
    assert desk.submitters.current(found).name == "printer"
    for name, secret in (("", Secret("pbx_wrong")), ("other", token), ("", PASSWORD)):
        with pytest.raises(PillarboxError) as caught:
            await desk.submitters.authenticate(Login(name, secret, "OAUTHBEARER", PEER))
        assert caught.value.code == WRONG


async def test_a_token_is_no_password_and_a_password_no_token(desk: Desk) -> None:
    await desk.add()
    token = await desk.submitters.add_token("printer", "jenkins")
    assert await desk.comes_in("printer", token.reveal()) == WRONG
    assert await desk.comes_in_by_token("printer", PASSWORD) == WRONG


async def test_a_wrong_token_waits_and_is_banned_like_a_wrong_password(desk: Desk) -> None:
    await desk.add()
    token = await desk.submitters.add_token("printer", "jenkins")
    answers = [await desk.comes_in_by_token("printer", Secret(f"pbx_{n}")) for n in range(11)]
    assert answers == [WRONG] * 10 + [BANNED]
    assert desk.delays[:3] == [1, 2, 3]
    assert await desk.comes_in_by_token("printer", token) == ""


async def test_a_token_is_kept_as_a_hash(desk: Desk, tmp_path: Path) -> None:
    await desk.add()
    token = await desk.submitters.add_token("printer", "jenkins")
    assert not any(token.reveal().encode() in path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert token.reveal() not in repr(await desk.submitters.tokens("printer"))


async def test_a_removed_token_comes_in_no_more(desk: Desk) -> None:
    await desk.add()
    token = await desk.submitters.add_token("printer", "jenkins")
    await desk.submitters.remove_token("printer", "jenkins")
    assert await desk.comes_in_by_token("printer", token) == WRONG
    with pytest.raises(PillarboxError) as caught:
        await desk.submitters.remove_token("printer", "jenkins")
    assert caught.value.code == "submitter.no_token"


@pytest.mark.parametrize(
    ("token_id", "code"), [("jenkins", "token_exists"), ("", "bad_token_id"), ("a/b", "bad_token_id")]
)
async def test_ids_of_tokens_that_are_refused(desk: Desk, token_id: str, code: str) -> None:
    await desk.add()
    await desk.submitters.add_token("printer", "jenkins")
    with pytest.raises(PillarboxError) as caught:
        await desk.submitters.add_token("printer", token_id)
    assert caught.value.code == f"submitter.{code}"
