"""Policies that are not played out are laid down by their number: each sign-in and each refresh then ends with it."""

import csv
import importlib.resources

import pytest

from pillarbox.emulator.entra.aadsts import read_codes
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.entra.sign_ins import SignIns

CATALOGUE = importlib.resources.files("pillarbox.core.catalogue").joinpath("aadsts.csv").read_text("utf-8")
POLICIES = [
    int(row["code"])
    for row in csv.DictReader(CATALOGUE.splitlines())
    if row["class"] in ("user", "policy", "transient")
]


@pytest.mark.parametrize("number", POLICIES)
async def test_a_policy_ends_each_sign_in_and_each_refresh(sign_ins: SignIns, planted: Seed, number: int) -> None:
    token = await sign_ins.refresh_token()
    device, code = await sign_ins.device(), sign_ins.code()
    sign_ins.approve(device)
    planted.user("alice").refusal = number
    expected = read_codes()[number]
    answers = [await sign_ins.password(), await sign_ins.refresh(token)]
    for answer in [*answers, await sign_ins.poll(device), await sign_ins.redeem(code)]:
        assert (answer.status, answer.json["error_codes"]) == (expected.status, [number])
        assert answer.json["error"] == expected.oauth_error
    assert (await sign_ins.password("bob")).status == 200


@pytest.mark.parametrize(("number", "suberror"), [(53003, "message_only"), (50055, "user_password_expired")])
async def test_msal_is_told_what_kind_it_is(sign_ins: SignIns, planted: Seed, number: int, suberror: str) -> None:
    planted.user("alice").refusal = number
    assert (await sign_ins.password()).json["suberror"] == suberror
