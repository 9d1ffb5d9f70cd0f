"""Pauses and what was used, as they lie in the store."""

from pathlib import Path

from pillarbox.core.cause import Cause
from pillarbox.core.mail import Envelope, Outcome, State
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.limits import LimitStore, Pause
from pillarbox.store.messages import NewMessage, Next
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import open_sqlite

NOW = 1000.0


async def test_pauses_are_there_after_a_restart_until_they_end(tmp_path: Path) -> None:
    gone = Pause("mailbox/1", "throttled", NOW + 10, "busy", NOW)
    stays = Pause("mailbox/1", "operator", None, "by hand", NOW)
    probed = Pause("mailbox/2", "account_broken", NOW + 10, "AADSTS7000222", NOW)
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    await LimitStore(database, lambda: NOW).pause(gone, stays, probed)
    await database.close()
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    assert len(await LimitStore(database, lambda: NOW + 9).pauses([Cause.ACCOUNT_BROKEN])) == 3
    store = LimitStore(database, lambda: NOW + 10)
    assert sorted(await store.pauses([Cause.ACCOUNT_BROKEN]), key=str) == sorted([stays, probed], key=str)
    await database.close()


async def test_resume_ends_the_pause_that_a_person_made_and_no_other(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    store = LimitStore(database, lambda: NOW)
    other = Pause("mailbox/2", "operator", None, "", NOW)
    asked = Pause("mailbox/1", "throttled", NOW + 9, "", NOW)
    await store.pause(Pause("mailbox/1", "operator", None, "", NOW), asked, other)
    assert await store.resume("mailbox/1")
    assert not await store.resume("mailbox/1")
    assert sorted(await store.pauses(()), key=str) == [asked, other]
    await database.close()


async def test_a_pause_of_the_same_cause_takes_the_place_of_the_former(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    store = LimitStore(database, lambda: NOW)
    for until in (NOW + 5, NOW + 50):
        await store.pause(Pause("mailbox/1", "throttled", until, "", NOW))
    assert [pause.until for pause in await store.pauses(())] == [NOW + 50]
    await database.close()


async def test_what_was_used_later_than_now_counts_for_nothing(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    now = NOW
    accounts, outbox = Accounts(database, Vault(bytes(32)), lambda: now), Outbox(database, lambda: now)
    app = await accounts.add_app("contoso", "t", "c", Secret("s"))
    assert app is not None
    box = await accounts.add_mailbox("one@contoso.example", app)
    assert box is not None
    await outbox.enqueue(
        NewMessage("A", box.id, "printer", Envelope("", ("a@x.example",)), "", 1, lambda: iter([b"x"]))
    )
    (message,) = await outbox.claim(box.id, 1)
    await outbox.finish(message, Outcome(Cause.ACCEPTED), Next(State.SENT, NOW, Cause.ACCEPTED, 1))
    store = LimitStore(database, lambda: now)
    assert [used.messages for used in await store.used(60.0, 1.0)] == [1]
    # The clock is put right, by years.
    now = NOW - 900.0
    assert await store.used(60.0, 1.0) == []
    await database.close()
