"""The Test button: an app registration or a mailbox, tried step by step against Microsoft as it is now."""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pillarbox.admin import apps
from pillarbox.admin.check.graph import Sleep
from pillarbox.admin.check.steps import Failed, Found, Report, Status, Step
from pillarbox.admin.check.trials import SIGN_IN, Trial, of_app, of_mailbox
from pillarbox.admin.check.visit import SKIPPED, NotTried, SubmitAndWait, Visit
from pillarbox.admin.clients import Clients
from pillarbox.core.accounts import AppRegistration, Credential, Mailbox, MailboxState
from pillarbox.core.errors import InvalidInput, NotFound, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, is_address
from pillarbox.entra.authority import TokenUnavailable
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
        app = await apps.get(self.accounts, name)
        credentials = await self.accounts.credentials(app)
        return await self._report(app, of_app(len(credentials)), credentials)

    async def check_mailbox(self, address: str, to: str | None = None, *, exchange: bool = False) -> Report:
        """Test a mailbox; with `to` a real mail is sent there. The mode that follows is kept.

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
        return await self._report(mailbox, trials, credentials, to or "", smtp=smtp, imap=exchange)

    async def _report(
        self,
        holder: AppRegistration | Mailbox,
        trials: Iterable[Trial],
        credentials: Sequence[Credential],
        to: str = "",
        *,
        smtp: bool = False,
        imap: bool = False,
    ) -> Report:
        assurance = holder.assurance if isinstance(holder, Mailbox) else ""

        async def keep(found: str) -> bool:
            nonlocal assurance
            kept = isinstance(holder, Mailbox) and await self.accounts.set_assurance(holder, found)
            assurance = found if kept else ""
            return kept

        visit = Visit(
            self.clients, holder, to, smtp, imap, credentials, self.clock, self.sleep, self.submit_and_wait, keep
        )
        *tried, verdict = trials
        for trial in tried:
            await self._add(visit, trial)
        # The verdict is told whatever failed before.
        visit.broken.pop(SIGN_IN.name, None)
        await self._add(visit, verdict)
        return Report(tuple(visit.steps), assurance)

    async def _add(self, visit: Visit, trial: Trial) -> None:
        step = await self._tried(visit, trial)
        visit.steps.append(step)
        if step.status is Status.FAIL:
            visit.broken[trial.name] = trial.name
        elif step.code == SKIPPED:
            # What needs this step, needs the one that failed before it.
            visit.broken[trial.name] = str(step.params["step"])

    async def _tried(self, visit: Visit, trial: Trial) -> Step:
        limit = trial.limit * self.patience
        try:
            # Nothing is possible without the sign-in, and it is told at once.
            visit.need(SIGN_IN.name)
            async with asyncio.timeout(limit):
                return _step(trial, await trial.run(visit))
        except NotTried as left_out_step:
            return _step(trial, left_out_step.why)
        except Failed as error:
            return Step(trial.name, Status.FAIL, error.code, error.params, error.evidence)
        except TokenUnavailable as error:
            return _paused(trial, error)
        except PillarboxError as error:
            return Step(trial.name, Status.FAIL, error.code, error.params, _evidence(error))
        except TimeoutError:
            return Step(trial.name, Status.FAIL, "check.timeout", {"seconds": f"{limit:g}"})
        except Exception as error:
            self.log.error("unexpected", where=f"test: {trial.name}", exc_info=error)
            return Step(trial.name, Status.FAIL, "internal", {})


def _step(trial: Trial, found: Found) -> Step:
    status = Status.SKIP if found.skipped else Status.OK
    return Step(trial.name, status, found.code, found.params, found.evidence)


def _paused(trial: Trial, error: TokenUnavailable) -> Step:
    """Entra ID is busy: a test asks again when somebody presses the button, and not by itself."""
    if error.retry_after is None:
        return Step(trial.name, Status.FAIL, error.code, error.params, _evidence(error))
    # A second too few would be a second refusal.
    seconds = math.ceil(error.retry_after)
    evidence = {**_evidence(error), "retry_after": seconds}
    return Step(trial.name, Status.FAIL, "check.entra_pause", {"seconds": seconds}, evidence)


def _evidence(error: PillarboxError) -> dict[str, object]:
    """What an error tells beside its words: its parameters, which are never secret, without our own remedies."""
    return {name: str(value) for name, value in error.params.items() if name not in ("remedy", "meaning")}
