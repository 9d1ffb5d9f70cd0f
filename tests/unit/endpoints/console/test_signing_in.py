"""To sign in with a second factor: the password once, the code on a page of its own, in the same browser only."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest

from pillarbox.access.half_signed_in import MOST_TRIES
from pillarbox.core.vault import Secret
from tests.unit.endpoints.console.conftest import PASSWORD, Site, Visitor


async def enrolled(site: Site, name: str = "anna") -> tuple[pyotp.TOTP, list[str]]:
    """The authenticator that somebody uses from now on, and the recovery codes."""
    household, now = site.house.gateway.household, site.house.gateway._clock()
    enrolment = await household.second_factors.enrol(await household.people.get(name))
    authenticator = pyotp.TOTP(enrolment.secret.reveal())
    # An earlier step, so that the one of now is still good.
    codes = await household.second_factors.confirm(await household.people.get(name), authenticator.at(int(now) - 30))
    return authenticator, [code.reveal() for code in codes]


@pytest.fixture
async def halfway(site: Site) -> tuple[Visitor, str]:
    """anna, who has typed name and password, and a recovery code of hers."""
    _, codes = await enrolled(site)
    visitor = site.visitor()
    await visitor.look("/sign-in?next=%2Fabout")
    await visitor.fill_in("/sign-in", name="anna", password=PASSWORD)
    return visitor, codes[0]


async def test_the_code_is_asked_for_on_a_page_of_its_own_without_the_password(site: Site) -> None:
    authenticator, _ = await enrolled(site)
    visitor = site.visitor()
    await visitor.look("/sign-in?next=%2Fabout")
    assert "code" not in visitor.page.form("/sign-in").fields  # type: ignore[union-attr]
    seen = await visitor.fill_in("/sign-in", name="anna", password=PASSWORD)
    assert (seen.status, "/sign-in/code?next=" in seen.url) == (200, True)
    assert set(seen.form("/sign-in/code").fields) == {"next", "code"}
    assert PASSWORD not in seen.html
    assert not visitor.cookies.get("pillarbox")
    seen = await visitor.fill_in("/sign-in/code", code=authenticator.at(int(site.house.gateway._clock())))
    assert (seen.status, seen.url) == (200, visitor.url + "/about")
    assert visitor.cookies["pillarbox"]
    assert visitor.cookies["pillarbox-code"] == ""


async def test_a_wrong_code_is_told_and_the_right_one_still_counts(halfway: tuple[Visitor, str]) -> None:
    visitor, code = halfway
    seen = await visitor.fill_in("/sign-in/code", code="aaaa-bbbb-cccc-dddd")
    assert (seen.status, "The code is not one" in seen.text) == (422, True)
    assert (await visitor.fill_in("/sign-in/code", code=code)).url.endswith("/about")


async def test_after_some_wrong_codes_the_password_is_asked_for_again(halfway: tuple[Visitor, str]) -> None:
    visitor, code = halfway
    for _ in range(MOST_TRIES):
        await visitor.fill_in("/sign-in/code", code="aaaa-bbbb-cccc-dddd")
    seen = await visitor.fill_in("/sign-in/code", code=code)
    assert (seen.status, "Type name and password again" in seen.text) == (401, True)
    assert set(seen.form("/sign-in").fields) == {"next", "name", "password"}
    assert not visitor.cookies.get("pillarbox")


async def test_in_another_browser_the_code_is_worth_nothing(site: Site, halfway: tuple[Visitor, str]) -> None:
    _, code = halfway
    other = site.visitor()
    await other.look("/sign-in/code")
    assert (await other.fill_in("/sign-in/code", code=code)).status == 401
    other.cookies["pillarbox-code"] = "planted"
    await other.look("/sign-in/code")
    assert (await other.fill_in("/sign-in/code", code=code)).status == 401
    assert not other.cookies.get("pillarbox")


async def test_no_other_site_gives_the_code(halfway: tuple[Visitor, str]) -> None:
    visitor, code = halfway
    seen = await visitor.send("/sign-in/code", {"code": code}, {"Origin": "https://evil.example"})
    assert seen.status == 403
    assert not visitor.cookies.get("pillarbox")


async def test_a_half_is_good_once(site: Site, halfway: tuple[Visitor, str]) -> None:
    visitor, code = halfway
    late = site.visitor()
    late.cookies = dict(visitor.cookies)
    await visitor.fill_in("/sign-in/code", code=code)
    await late.look("/sign-in/code")
    assert (await late.fill_in("/sign-in/code", code="aaaa-bbbb-cccc-dddd")).status == 401


async def test_who_has_another_password_by_now_does_not_come_in(site: Site, halfway: tuple[Visitor, str]) -> None:
    visitor, code = halfway
    people = site.house.gateway.household.people
    await people.set_password(await people.get("anna"), Secret("another long password"))
    seen = await visitor.fill_in("/sign-in/code", code=code)
    assert seen.status == 401
    assert not visitor.cookies.get("pillarbox")


async def test_the_audit_log_has_the_wrong_code_and_whose_it_was(site: Site, halfway: tuple[Visitor, str]) -> None:
    visitor, _ = halfway
    await visitor.fill_in("/sign-in/code", code="aaaa-bbbb-cccc-dddd")
    rows = await site.house.gateway.audit.list(limit=10)
    last = rows[0]
    assert (last.action, last.actor_name, last.outcome, last.code) == (
        "sign_in",
        "anna",
        "refused",
        "person.wrong_code",
    )


async def test_a_stranger_without_a_half_writes_no_row_of_the_audit_log(site: Site) -> None:
    before = len(await site.house.gateway.audit.list(limit=100))
    visitor = site.visitor()
    await visitor.look("/sign-in/code")
    await visitor.fill_in("/sign-in/code", code="123456")
    assert len(await site.house.gateway.audit.list(limit=100)) == before


async def test_whoever_cannot_sign_in_is_told_whom_to_ask_and_what_the_only_administrator_does(site: Site) -> None:
    seen = await site.visitor().look("/sign-in")
    assert "Ask an administrator of Pillarbox" in seen.text
    assert "pillarbox person invite NAME" in seen.text


async def test_failures_count_against_the_address_that_a_trusted_proxy_names(make_site: Callable[..., Any]) -> None:
    site: Site = await make_site({"http.trusted_proxies": "127.0.0.0/8"})
    proofs = site.house.gateway.household.proofs
    visitor = site.visitor()

    async def comes(client: str, password: str) -> int:
        headers = {"Origin": visitor.url, "X-Forwarded-For": client}
        return (await visitor.send("/sign-in", {"name": "anna", "password": password}, headers)).status

    assert await comes("192.0.2.7", "wrong wrong wrong") == 401
    # Nine more, each of which would be answered late.
    banned = [proofs._logins._guard.failed("192.0.2.7", "anna", proofs._clock()).banned for _ in range(9)]
    assert banned == [False] * 8 + [True]
    assert (await comes("192.0.2.7", PASSWORD), visitor.cookies.get("pillarbox")) == (429, None)
    assert visitor.page
    assert visitor.page.headers["Retry-After"] == "600"
    assert (await comes("192.0.2.8", PASSWORD), bool(visitor.cookies["pillarbox"])) == (200, True)


async def test_wrong_codes_count_against_the_address_too(site: Site, halfway: tuple[Visitor, str]) -> None:
    visitor, code = halfway
    proofs = site.house.gateway.household.proofs
    await visitor.fill_in("/sign-in/code", code="aaaa-bbbb-cccc-dddd")
    banned = [proofs._codes.failed("127.0.0.1", "anna", proofs._clock()).banned for _ in range(9)]
    assert banned == [False] * 8 + [True]
    seen = await visitor.fill_in("/sign-in/code", code=code)
    assert (seen.status, seen.headers["Retry-After"], visitor.cookies.get("pillarbox")) == (429, "600", None)


async def test_a_wrong_password_is_told_without_a_code_that_nobody_asked_for(site: Site) -> None:
    seen = await site.visitor().sign_in(password="not the password")
    assert (seen.status, "Name or password is wrong." in seen.text) == (401, True)
    assert '<details class="fine" open>' in seen.html  # what helps is in plain sight now
    assert "A code counts once" not in seen.text
    assert 'autocomplete="current-password" autofocus=""' in seen.html
    assert "tabindex" not in seen.html.partition('<div class="notice bad"')[2]
