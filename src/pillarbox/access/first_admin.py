"""The first administrator: by a link in a file that only the owner reads, or by name and password of the settings.

While there is nobody, each start writes a new link, good for a quarter of an hour; `pillarbox person first` writes
another one. The log names the file, never the link: logs are kept, and read by others. Who starts the service at a
terminal is shown the link itself, see `cli/serve.py`.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from pillarbox.access.audit import Actor, Audit
from pillarbox.access.invitations import Invitation, Invitations
from pillarbox.access.passwords import Passwords
from pillarbox.access.person_rules import check_name, check_password
from pillarbox.core.caller import Role
from pillarbox.core.errors import ConfigError, Conflict, InvalidInput
from pillarbox.core.log import Logger
from pillarbox.core.vault import Secret
from pillarbox.store.people import PeopleStore

FILE: Final = "first-admin"
_SETTINGS: Final = Actor("local", "", "settings", "local")


class FirstAdmin:
    """Offers the link, and takes it. `file` is where it is written."""

    def __init__(
        self,
        store: PeopleStore,
        invitations: Invitations,
        passwords: Passwords,
        file: Path,
        audit: Audit,
        log: Logger,
    ) -> None:
        self._store = store
        self._invitations = invitations
        self._passwords = passwords
        self._file = file
        self._audit = audit
        self._log = log

    async def at_start(self, name: str, password: Secret, *, reachable: bool) -> Invitation | None:
        """Where there is nobody: make the administrator of the settings, or else offer the link, if one can be opened.

        The link that was offered, if any. Raises ConfigError as `check` does.
        """
        if await self.is_wanted():
            if password:
                await self._make(name, password)
            elif reachable:
                invitation, _ = await self.offer()
                return invitation
        await asyncio.to_thread(self._forget)
        return None

    async def is_wanted(self) -> bool:
        """Whether there is nobody yet. Strangers may know: it takes the link to come in."""
        return await self._store.is_empty()

    async def offer(self) -> tuple[Invitation, Path]:
        """Write a new link; it, and the file in which it stands.

        Raises Conflict `person.somebody_there`, `person.no_listener`; ConfigError where the file cannot be written.
        """
        if not await self.is_wanted():
            raise Conflict("person.somebody_there")
        made = await self._invitations.of_first()
        try:
            await asyncio.to_thread(_write, self._file, made.url.reveal())
        except OSError as error:
            raise ConfigError("config.state_dir", path=self._file.parent, reason=error.strerror or error) from error
        self._log.warning("access.first_admin", file=str(self._file))
        return made, self._file

    async def accept(self, token: str, name: str, password: Secret) -> str:
        """Use a link up, see `Invitations.accept`; the file is of no use any more."""
        who = await self._invitations.accept(token, name, password)
        await asyncio.to_thread(self._forget)
        return who

    async def _make(self, name: str, password: Secret) -> None:
        name, password = check(name, password)
        kept = await self._passwords.hash(password)
        async with self._audit.acting(_SETTINGS, "add_person", name):
            await self._store.add_first(self._invitations.new_person(name, frozenset({Role.ADMIN}), kept))
        self._log.info("account.changed", what="person", name=name, change="made by the settings")

    def _forget(self) -> None:
        self._file.unlink(missing_ok=True)


def check(name: str, password: Secret) -> tuple[str, Secret]:
    """Both as they are kept. Raises ConfigError `config.bad_admin` for a name or a password that cannot be."""
    try:
        name = check_name(name)
        return name, check_password(name, password)
    except InvalidInput as error:
        raise ConfigError("config.bad_admin", reason=error.sentence) from error


def _write(file: Path, link: str) -> None:
    """All of it or nothing, and never readable by others."""
    beside = file.with_name(file.name + ".new")
    beside.unlink(missing_ok=True)  # of a process that was killed here
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(link + "\n")
    os.replace(beside, file)
