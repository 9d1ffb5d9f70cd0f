"""Submitters as they are kept: what they may do, how they come in. Passwords and tokens only as hashes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter, UnixRule
from pillarbox.core.mail import Clock
from pillarbox.store.accounts import app_of, mailbox_of
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement


@dataclass(frozen=True, slots=True)
class Token:
    """One of our own tokens: what people call it by, and its SHA-256."""

    id: str
    hash: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Credentialed:
    """A submitter and what its password (empty: it has none) and its tokens are checked against."""

    submitter: Submitter
    password_hash: str
    tokens: tuple[Token, ...] = ()


class KnownSite(NamedTuple):
    """A submitter logged in rightly from a site (an address, in IPv6 a /64) at this time."""

    site: str
    name: str
    at: float


class SubmitterStore:
    """Submitters with everything that belongs to them, written and read whole."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def load(self) -> list[Credentialed]:
        """All submitters, by name."""
        rows = await self._database.read("submitter_list")
        senders, domains = await self._senders(), await self._domains()
        networks = _by_submitter(await self._database.read("submitter_networks"))
        unix = _by_submitter(await self._database.read("submitter_unix"))
        tokens = _by_submitter(await self._database.read("submitter_tokens"))
        return [
            Credentialed(
                Submitter(
                    row["id"],
                    row["name"],
                    senders[row["id"]],
                    domains[row["id"]],
                    has_password=bool(row["password_hash"]),
                    networks=tuple(one["network"] for one in networks[row["id"]]),
                    unix=tuple(UnixRule(one["kind"], one["name"]) for one in unix[row["id"]]),
                    force_from=bool(row["force_from"]),
                    fix_from=bool(row["fix_from"]),
                    recipients=tuple(json.loads(row["recipients"])),
                    rate=row["rate"],
                    max_size=row["max_size"],
                    priority=row["priority"],
                    max_age=row["max_age"],
                    on_broken=row["on_broken"],
                    enabled=bool(row["enabled"]),
                    last_used_at=row["last_used_at"],
                ),
                row["password_hash"],
                tuple(Token(one["id"], one["hash"], one["created_at"]) for one in tokens[row["id"]]),
            )
            for row in rows
        ]

    async def add(self, submitter: Submitter, password_hash: str) -> bool:
        """Keep a submitter (its id is chosen here); False where its name, or a way in of its, is another one's."""
        return await self._write(
            statement("submitter_add", expect=1, name=submitter.name, now=self._clock()),
            _change(submitter, password_hash),
            *_belongings(submitter),
        )

    async def change(self, submitter: Submitter, password_hash: str) -> bool:
        """Keep what a submitter is now; False where it is not there, or a way in of its is another one's."""
        return await self._write(
            _change(submitter, password_hash),
            *_forget_belongings(submitter.name),
            *_belongings(submitter),
        )

    async def remove(self, name: str) -> bool:
        """Forget a submitter; whether there was one. Messages that it handed in stay."""
        return await self._write(
            *_forget_belongings(name),
            statement("submitter_remove_tokens", name=name),
            statement("submitter_remove_sites", name=name),
            statement("submitter_remove", expect=1, name=name),
        )

    async def used(self, submitter: Submitter, at: float) -> None:
        """It handed in a message at this time."""
        await self._database.write(statement("submitter_used", id=submitter.id, at=at))

    async def known_sites(self, since: float, most: int) -> list[KnownSite]:
        """From where submitters have logged in, the last `most`, oldest first."""
        rows = await self._database.read("submitter_sites", since=since, most=most)
        return [KnownSite(**row) for row in reversed(rows)]

    async def keep_site(self, known: KnownSite, since: float, most: int) -> None:
        """Keep from where a submitter has logged in; forget what is older than `since`, or beyond the last `most`."""
        await self._database.write(
            statement("submitter_keep_site", site=known.site, name=known.name, at=known.at),
            statement("submitter_shrink_sites", since=since, most=most),
        )

    async def add_token(self, submitter: Submitter, token_id: str, digest: str) -> bool:
        """Keep the SHA-256 of a token; False where the id is taken."""
        return await self._write(
            statement("submitter_add_token", expect=1, name=submitter.name, id=token_id, hash=digest, now=self._clock())
        )

    async def remove_token(self, submitter: Submitter, token_id: str) -> bool:
        """Forget a token of a submitter; whether there was one."""
        return await self._write(statement("submitter_remove_token", expect=1, name=submitter.name, id=token_id))

    async def _write(self, *statements: Statement) -> bool:
        try:
            await self._database.write(*statements)
        except ExpectationFailed:
            return False
        return True

    async def _senders(self) -> dict[int, dict[str, Mailbox]]:
        found: dict[int, dict[str, Mailbox]] = defaultdict(dict)
        for row in await self._database.read("submitter_senders"):
            found[row["submitter_id"]][row["address_key"]] = mailbox_of(row)
        return found

    async def _domains(self) -> dict[int, dict[str, Mailbox | AppRegistration]]:
        found: dict[int, dict[str, Mailbox | AppRegistration]] = defaultdict(dict)
        for row in await self._database.read("submitter_domain_mailboxes"):
            found[row["submitter_id"]][row["domain"]] = mailbox_of(row)
        for row in await self._database.read("submitter_domain_apps"):
            found[row["submitter_id"]][row["domain"]] = app_of(row)
        return found


def _by_submitter(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["submitter_id"]].append(row)
    return found


def _change(submitter: Submitter, password_hash: str) -> Statement:
    return statement(
        "submitter_change",
        expect=1,
        name=submitter.name,
        password_hash=password_hash,
        enabled=int(submitter.enabled),
        force_from=int(submitter.force_from),
        fix_from=int(submitter.fix_from),
        recipients=json.dumps(submitter.recipients),
        rate=submitter.rate,
        max_size=submitter.max_size,
        priority=submitter.priority,
        max_age=submitter.max_age,
        on_broken=submitter.on_broken,
    )


def _belongings(submitter: Submitter) -> Iterator[Statement]:
    name = submitter.name
    for position, (key, box) in enumerate(submitter.senders.items()):
        yield statement("submitter_add_sender", name=name, address_key=key, mailbox_id=box.id, position=position)
    for domain, way in submitter.domains.items():
        box_id, app_id = (way.id, None) if isinstance(way, Mailbox) else (None, way.id)
        yield statement("submitter_add_domain", name=name, domain=domain, mailbox_id=box_id, app_id=app_id)
    for network in submitter.networks:
        yield statement("submitter_add_network", expect=1, name=name, network=network)
    for rule in submitter.unix:
        yield statement("submitter_add_unix", expect=1, name=name, kind=rule.kind, unix_name=rule.name)


def _forget_belongings(name: str) -> Iterator[Statement]:
    yield statement("submitter_remove_senders", name=name)
    yield statement("submitter_remove_domains", name=name)
    yield statement("submitter_remove_networks", name=name)
    yield statement("submitter_remove_unix", name=name)
