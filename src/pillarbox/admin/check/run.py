"""One test: its steps one after the other, each told as soon as it is found, and the report at the end."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence

from pillarbox.admin.check.steps import Failed, Found, Report, Status, Step
from pillarbox.admin.check.trials import SIGN_IN, Trial
from pillarbox.admin.check.visit import SKIPPED, NotTried, Visit
from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.entra.authority import TokenUnavailable


class Run:
    """A test that may begin. The last of its `trials` is the verdict, which is told whatever failed before it.

    What Microsoft and the network do becomes a step, never an exception.
    """

    def __init__(self, visit: Visit, trials: Sequence[Trial], log: Logger, patience: float) -> None:
        self._visit = visit
        self._trials = trials
        self._log = log
        self._patience = patience

    async def steps(self) -> AsyncIterator[Step]:
        """Each step as it is found, but the verdict: that is in the report, once they are over."""
        *tried, verdict = self._trials
        for trial in tried:
            yield await self._add(trial)
        self._visit.broken.pop(SIGN_IN.name, None)
        await self._add(verdict)

    async def whole(self) -> Report:
        """All steps and the verdict."""
        async for _ in self.steps():
            pass
        return self.report

    @property
    def report(self) -> Report:
        """What has come of it so far."""
        visit = self._visit
        former = visit.holder.assurance if isinstance(visit.holder, Mailbox) else ""
        return Report(tuple(visit.steps), former if visit.kept is None else visit.kept)

    async def _add(self, trial: Trial) -> Step:
        visit = self._visit
        step = await self._tried(trial)
        visit.steps.append(step)
        if step.status is Status.FAIL:
            visit.broken[trial.name] = trial.name
        elif step.code == SKIPPED:
            # What needs this step, needs the one that failed before it.
            visit.broken[trial.name] = str(step.params["step"])
        return step

    async def _tried(self, trial: Trial) -> Step:
        visit, limit = self._visit, trial.limit * self._patience
        try:
            # Nothing is possible without the sign-in, and it is told at once.
            visit.need(SIGN_IN.name)
            async with asyncio.timeout(limit):
                return _step(trial, await trial.run(visit))
        except NotTried as left_out_step:
            return _step(trial, left_out_step.why)
        except Failed as error:
            return Step(trial.name, Status.FAIL, error.code, self._named(error.params), error.evidence)
        except TokenUnavailable as error:
            return _paused(trial, error)
        except PillarboxError as error:
            return Step(trial.name, Status.FAIL, error.code, self._named(error.params), _evidence(error))
        except TimeoutError:
            return Step(trial.name, Status.FAIL, "check.timeout", {"seconds": f"{limit:g}"})
        except Exception as error:
            self._log.error("unexpected", where=f"test: {trial.name}", exc_info=error)
            return Step(trial.name, Status.FAIL, "internal", {})

    def _named(self, params: Mapping[str, object]) -> Mapping[str, object]:
        """What an error says, with the app registration that is tested in its commands."""
        name = self._visit.app.name
        return {
            key: catalogue.naming(value, name) if isinstance(value, str) else value for key, value in params.items()
        }


def _step(trial: Trial, found: Found) -> Step:
    return Step(trial.name, found.status, found.code, found.params, found.evidence)


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
