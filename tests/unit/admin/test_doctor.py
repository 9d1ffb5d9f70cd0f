"""The doctor lives through whatever an examination does."""

import asyncio
import dataclasses

import pytest

from pillarbox.admin.doctor import Examination, examine
from pillarbox.admin.examine.examined import Examined
from pillarbox.admin.examine.findings import Finding, Severity, well
from pillarbox.core.errors import ConfigError, PillarboxError
from tests.conftest import House, MakeHouse


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house(start=False)


async def fine(_examined: Examined) -> list[Finding]:
    return [well("doctor.no_pauses")]


async def refused(_examined: Examined) -> list[Finding]:
    raise ConfigError("config.bad_socket", path="x", reason="y")


async def unseen(_examined: Examined) -> list[Finding]:
    raise PermissionError(13, "Permission denied")


async def mistaken(_examined: Examined) -> list[Finding]:
    raise ZeroDivisionError


async def endless(_examined: Examined) -> list[Finding]:
    await asyncio.Event().wait()
    return []


async def test_whatever_happens_is_a_finding(house: House) -> None:
    examined = dataclasses.replace(house.gateway.examined(0.0), patience=0.0)
    looks = {"fine": fine, "refused": refused, "unseen": unseen, "mistaken": mistaken}
    examinations = [Examination(name, look) for name, look in looks.items()] + [Examination("endless", endless, 0.01)]
    diagnosis = await examine(examined, house.gateway.log, examinations)
    assert [(one.name, one.finding.severity.value, one.finding.code) for one in diagnosis.told] == [
        ("fine", "ok", "doctor.no_pauses"),
        ("refused", "problem", "config.bad_socket"),
        ("unseen", "skipped", "doctor.not_seen"),
        ("mistaken", "problem", "internal"),
        ("endless", "skipped", "doctor.too_slow"),
    ]
    assert not diagnosis.ok
    assert house.log.lines("unexpected")


@pytest.mark.parametrize(
    ("severity", "ok"), [(Severity.WARNING, True), (Severity.SKIPPED, True), (Severity.PROBLEM, False)]
)
async def test_problems_alone_are_not_ok(house: House, severity: Severity, ok: bool) -> None:
    async def found(_examined: Examined) -> list[Finding]:
        return [Finding(severity, "doctor.dumpable", {})]

    diagnosis = await examine(house.gateway.examined(0.0), house.gateway.log, [Examination("one", found)])
    assert diagnosis.ok is ok


async def test_an_error_keeps_its_words() -> None:
    error = PillarboxError("store.full")
    assert Finding(Severity.PROBLEM, error.code, error.params).cure == error.cure
