"""App registrations and mailboxes: credentials that end, pauses, and the test of each mailbox, without a mail."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pillarbox.admin import end_dates
from pillarbox.admin.check.steps import Report, Status, Step
from pillarbox.admin.examine.examined import Examined
from pillarbox.admin.examine.findings import Finding, of_error, problem, skipped, warning, well
from pillarbox.core.accounts import Credential, Mailbox
from pillarbox.core.errors import NotFound, PillarboxError
from pillarbox.store.limits import OPERATOR, Pause

_SOON: Final = 7 * 86400.0
_AT_ONCE: Final = 4
"""Mailboxes that are tested at the same time: mail goes on meanwhile."""
_SHARED: Final = frozenset({"addresses", "tls", "clock"})
"""Steps that say the same of every mailbox."""
_READS: Final = ("Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite")


async def credentials(examined: Examined) -> list[Finding]:
    """Secrets and certificates that end soon, and whose place no newer one has taken."""
    now, found, seen = examined.clock(), list[Finding](), 0
    for app in await examined.accounts.apps():
        kept = await examined.accounts.credentials(app)
        seen += len(kept)
        found += [judge_credential(app.name, one, now) for one in end_dates.ending(kept, now)]
    if not seen:
        return [skipped("doctor.no_credentials")]
    return found or [well("doctor.credentials", count=seen)]


def judge_credential(app: str, credential: Credential, now: float) -> Finding:
    """What it means that this credential ends soon, or has ended. Pure."""
    ends_at = credential.ends_at or 0.0
    told = {"app": app, "kind": credential.kind.value, "id": credential.id, "date": end_dates.day(ends_at)}
    bad = problem if ends_at - now <= _SOON else warning
    return bad("doctor.credential_ends", {"ends_at": ends_at}, left=end_dates.left(ends_at, now), **told)


async def passwords(examined: Examined) -> list[Finding]:
    """Mailboxes that are signed in by a password, which Microsoft advises against."""
    found = [one for one in await examined.accounts.mailboxes() if one.sign_in and one.sign_in.password_source]
    if not found:
        return [well("doctor.no_passwords")]
    return [warning("doctor.passwords", {"mailboxes": _addresses(found)}, mailboxes=_named(found))]


async def pauses(examined: Examined) -> list[Finding]:
    """Mailboxes that nothing is sent from, and why."""
    alike: dict[tuple[str, str], list[tuple[str, Pause]]] = {}
    for mailbox in await examined.accounts.mailboxes():
        for pause in examined.pauses(mailbox):
            alike.setdefault((pause.cause, pause.reason), []).append((mailbox.address, pause))
    return [judge_pauses(those, examined.probed) for those in alike.values()] or [well("doctor.no_pauses")]


def judge_pauses(alike: Sequence[tuple[str, Pause]], probed: Collection[str]) -> Finding:
    """What it means that these addresses are paused, all for one cause and reason. Pure."""
    addresses, (_, first) = [address for address, _ in alike], alike[0]
    evidence = {"mailboxes": addresses, "cause": first.cause}
    reason = first.reason.rstrip(".") or "no reason was given"
    told = {"mailboxes": listed(addresses), "cause": first.cause, "reason": reason}
    if first.cause == OPERATOR:
        return warning("doctor.paused_by_hand", evidence, **told)
    if first.cause in probed:
        return warning("doctor.paused", evidence, **told)
    until = max(pause.until or 0.0 for _, pause in alike)
    shown = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return warning("doctor.paused_until", {**evidence, "until": until}, until=shown, **told)


async def submitters(examined: Examined) -> list[Finding]:
    """Devices and programs that come, and are turned away. Only the service that runs knows of them."""
    if not any(examined.doors().values()):
        return [skipped("doctor.no_service")]
    found = [*judge_turned_away(examined.turned_away()), *judge_strangers(examined.strangers())]
    return found or [well("doctor.none_turned_away")]


def judge_turned_away(refused: Mapping[str, PillarboxError]) -> list[Finding]:
    """What it means that these submitters were refused something, the last first: one reason is told once. Pure."""
    alike: dict[str, list[str]] = {}
    for name, error in refused.items():
        alike.setdefault(error.code, []).append(name)
    return [_turned_away(names, refused[names[0]]) for names in alike.values()]


def judge_strangers(refused: Mapping[str, PillarboxError]) -> list[Finding]:
    """What it means that somebody unknown was refused at these addresses, the last first. Pure."""
    if not refused:
        return []
    addresses, last = list(refused), next(iter(refused.values()))
    told = {"addresses": listed(addresses), "reason": last.sentence, "cure": last.cure}
    return [warning("doctor.strangers", {"addresses": addresses, "code": last.code}, **told)]


def _turned_away(names: Sequence[str], last: PillarboxError) -> Finding:
    told = {"submitters": listed(names), "reason": last.sentence, "cure": last.cure}
    return warning("doctor.turned_away", {"submitters": names, "code": last.code}, **told)


async def mailboxes(examined: Examined) -> list[Finding]:
    """The test of each mailbox, without a mail; a few at a time, and no longer than there is patience for."""
    everybody = await examined.accounts.mailboxes()
    if not everybody:
        return [skipped("doctor.no_mailboxes")]
    check, places = examined.check(), asyncio.Semaphore(_AT_ONCE)
    reports, refused = dict[str, Report](), dict[str, Finding]()

    async def test(mailbox: Mailbox) -> None:
        async with places:
            try:
                reports[mailbox.address] = await check.check_mailbox(mailbox.address)
            except NotFound:
                pass  # It was removed meanwhile.
            except PillarboxError as error:
                refused[error.code] = of_error(error)

    tasks = [asyncio.create_task(test(mailbox)) for mailbox in everybody]
    try:
        tested, late = await asyncio.wait(tasks, timeout=examined.patience)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tested:
        task.result()  # A mistake of ours is told as one.
    found = [*refused.values(), *judge_reports(reports)]
    left_out = [one for one, task in zip(everybody, tasks, strict=True) if task in late]
    if left_out:
        evidence = {"mailboxes": _addresses(left_out)}
        found.append(skipped("doctor.mailboxes_untested", evidence, count=len(left_out)))
    return found


def judge_reports(reports: dict[str, Report]) -> list[Finding]:
    """What the tests came to: what failed alike is told once, with the mailboxes that it concerns. Pure."""
    failed: dict[tuple[str, str], tuple[Step, list[str]]] = {}
    good, broad, found = list[str](), list[str](), list[Finding]()
    for address, report in reports.items():
        first = next((step for step in report.steps if step.status is Status.FAIL), None)
        if first is None:
            good.append(address)
        else:
            failed.setdefault((first.code, first.sentence), (first, []))[1].append(address)
        if exceeds_scope(report.steps):
            broad.append(address)
    for step, addresses in failed.values():
        evidence = {**step.evidence, "mailboxes": addresses, "step": step.name}
        concerned = {"mailboxes": listed(addresses), "what": step.sentence, "cure": step.cure}
        found.append(problem("doctor.mailbox", {**evidence, "code": step.code}, **concerned))
    if good:
        found.append(well("doctor.mailboxes", {"mailboxes": good}, count=len(good)))
    if broad:
        found.append(warning("doctor.tenant_wide", {"mailboxes": broad}, mailboxes=listed(broad)))
    return found


def exceeds_scope(steps: Iterable[Step]) -> bool:
    """Whether an app may send as the whole tenant although Exchange grants it single mailboxes too. Pure.

    What Exchange grants (RBAC for Applications) stands in no token. So it shows by what works without being named
    there; and what Entra grants is added to it, never narrowed by it.
    """
    by_name = {step.name: step for step in steps}
    claims = by_name["rights"].evidence.get("graph") if "rights" in by_name else None
    roles = claims.get("roles") if isinstance(claims, dict) else None
    if not isinstance(roles, list) or "Mail.Send" not in roles:
        return False

    def works(name: str) -> bool:
        return name in by_name and by_name[name].status is Status.OK

    reads = any(str(role).startswith(_READS) for role in roles)
    return (works("drafts") and "Mail.ReadWrite" not in roles) or (works("sent-items") and not reads)


def listed(addresses: Sequence[str]) -> str:
    """The first few, and how many more. Pure."""
    shown, more = ", ".join(addresses[:5]), len(addresses) - 5
    return f"{shown} and {more} more" if more > 0 else shown


def _addresses(those: Iterable[Mailbox]) -> list[str]:
    return [one.address for one in those]


def _named(those: Iterable[Mailbox]) -> str:
    return listed(_addresses(those))
