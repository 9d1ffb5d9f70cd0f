"""The Test button: an app registration or a mailbox, tried step by step against Microsoft as it is now."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pillarbox.admin import apps
from pillarbox.admin.check.graph import Sleep
from pillarbox.admin.check.run import Run
from pillarbox.admin.check.steps import Report
from pillarbox.admin.check.trials import Trial, of_app, of_mailbox
from pillarbox.admin.check.visit import SubmitAndWait, Visit
from pillarbox.admin.clients import Clients
from pillarbox.core.accounts import AppRegistration, Credential, Mailbox, MailboxState
from pillarbox.core.errors import InvalidInput, NotFound
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, is_address
from pillarbox.store.accounts import Accounts


@dataclass(frozen=True, slots=True)
class Check:
    """Tests apps and mailboxes. What Microsoft and the network do becomes a step, never an exception."""

    accounts: Accounts
    clients: Clients
    submit_and_wait: SubmitAndWait
    clock: Clock
    log: Logger
    sleep: Sleep = asyncio.sleep
    sends_by_smtp: Callable[[Mailbox], bool] = lambda _mailbox: False
    """Whether mail of a mailbox may leave by SMTP."""
    patience: float = 1.0
    """How many times as long as usual a step may take."""

    async def check_app(self, name: str) -> Report:
        """Test an app registration as far as its tokens. Raises NotFound."""
        return await (await self.of_app(name)).whole()

    async def check_mailbox(self, address: str, to: str | None = None, *, exchange: bool = False) -> Report:
        """Test a mailbox, see `of_mailbox`."""
        return await (await self.of_mailbox(address, to, exchange=exchange)).whole()

    async def of_app(self, name: str) -> Run:
        """The test of an app registration, not begun yet. Raises NotFound."""
        app = await apps.get(self.accounts, name)
        credentials = await self.accounts.credentials(app)
        return self._run(app, of_app(len(credentials)), credentials)

    async def of_mailbox(self, address: str, to: str | None = None, *, exchange: bool = False) -> Run:
        """The test of a mailbox, not begun yet; with `to` a real mail is sent there. The mode that follows is kept.

        SMTP is tried where mail may leave by it; `exchange` tries SMTP and IMAP in any case. Raises NotFound and
        InvalidInput.
        """
        mailbox = await self.accounts.mailbox(address)
        if mailbox is None:
            raise NotFound("mailbox.not_found", address=address)
        if to is not None and not is_address(to):
            raise InvalidInput("mail.bad_recipient", address=to)
        by_app = mailbox.sign_in is None and mailbox.state is MailboxState.OK
        credentials = await self.accounts.credentials(mailbox.app)
        trials = of_mailbox(by_app, len(credentials))
        smtp = exchange or self.sends_by_smtp(mailbox)
        return self._run(mailbox, trials, credentials, to or "", smtp=smtp, imap=exchange)

    def _run(
        self,
        holder: AppRegistration | Mailbox,
        trials: Iterable[Trial],
        credentials: Sequence[Credential],
        to: str = "",
        *,
        smtp: bool = False,
        imap: bool = False,
    ) -> Run:
        async def keep(found: str) -> bool:
            return isinstance(holder, Mailbox) and await self.accounts.set_assurance(holder, found)

        async def keep_failure(why: str) -> None:
            if isinstance(holder, Mailbox):
                await self.accounts.set_test_failed(holder, why)

        visit = Visit(
            self.clients,
            holder,
            to,
            smtp,
            imap,
            credentials,
            self.clock,
            self.sleep,
            self.submit_and_wait,
            keep,
            keep_failure,
        )
        return Run(visit, tuple(trials), self.log, self.patience)
