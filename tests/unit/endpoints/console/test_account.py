"""The pages about oneself: sessions, password, second factor."""

import base64
import re
from urllib.parse import unquote

import pyotp
import pytest

from pillarbox.endpoints.console.pages.account import picture
from tests.unit.endpoints.console.conftest import PASSWORD, Site, Visitor
from tests.unit.endpoints.console.test_signing_in import enrolled

NEW = "another long password"


async def works(visitor: Visitor) -> bool:
    """Whether forms of the page at hand are taken, as those of its session."""
    return (await visitor.fill_in("/language", language="en", next="/about")).status == 200


async def test_everybody_sees_their_own_sessions_and_no_others(site: Site) -> None:
    otto = await site.signed_in("otto")
    otto_elsewhere = await site.signed_in("otto")
    await site.signed_in("anna")
    seen = await otto.look("/account")
    assert (seen.status, seen.html.count(">this browser<"), seen.html.count("<code>127.0.0.1</code>")) == (200, 1, 2)
    seen = await otto.fill_in("/account/sign-out-everywhere")
    assert "/sign-in" in seen.url
    for visitor in (otto, otto_elsewhere):
        assert "/sign-in" in (await visitor.look("/account")).url


async def test_the_password_is_changed_and_all_other_browsers_are_signed_out(site: Site) -> None:
    otto, elsewhere = await site.signed_in("otto"), await site.signed_in("otto")
    before = otto.cookies["pillarbox"]
    await otto.look("/account/password")
    seen = await otto.fill_in("/account/password", password=PASSWORD, new_password=NEW, again=NEW)
    assert (seen.url.endswith("/account"), "Your password is changed." in seen.text) == (True, True)
    assert otto.cookies["pillarbox"] != before
    assert await works(otto)
    assert "/sign-in" in (await elsewhere.look("/account")).url
    assert (await site.visitor().sign_in("otto", NEW)).status in (200, 404)


@pytest.mark.parametrize(
    ("password", "new", "again", "status", "words"),
    [
        ("not the password", NEW, NEW, 401, "wrong"),
        (PASSWORD, NEW, NEW + "x", 422, "differ"),
        (PASSWORD, "short", "short", 422, "12 characters"),
    ],
)
async def test_a_password_that_cannot_be_changed_stays(
    site: Site, password: str, new: str, again: str, status: int, words: str
) -> None:
    otto = await site.signed_in("otto")
    await otto.look("/account/password")
    seen = await otto.fill_in("/account/password", password=password, new_password=new, again=again)
    assert (seen.status, words in seen.text) == (status, True)
    assert not {password, new, again} & set(re.findall(r'value="([^"]*)"', seen.html))
    assert "/account" in (await otto.look("/account")).url
    await site.signed_in("otto")


async def test_an_authenticator_is_enrolled_by_a_picture_in_the_page_itself(site: Site, admin: Visitor) -> None:
    await admin.look("/account/second-factor")
    assert (await admin.fill_in("/account/second-factor", password="not the password")).status == 401
    seen = await admin.fill_in("/account/second-factor", password=PASSWORD)
    assert 'src="data:image/svg+xml' in seen.html
    (secret,) = {*re.findall(r'data-copies="([A-Z2-7]{32})"', seen.html)}
    seen = await admin.fill_in("/account/second-factor/confirm", code="000000")
    assert (seen.status, secret in seen.html) == (422, False)
    before = admin.cookies["pillarbox"]
    code = pyotp.TOTP(secret).at(int(site.house.gateway._clock()))
    seen = await admin.fill_in("/account/second-factor/confirm", code=code)
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", seen.html.partition("<pre>")[2].partition("</pre>")[0])
    assert (seen.status, len(codes)) == (200, 10)
    assert admin.cookies["pillarbox"] != before
    assert codes[0] not in (await admin.look("/account")).html
    assert await works(admin)
    await admin.look("/account")
    assert "10 recovery codes" in (await admin.look("/account")).text
    visitor = site.visitor()
    await visitor.sign_in()
    assert (await visitor.fill_in("/sign-in/code", code=codes[0])).status in (200, 404)
    assert visitor.cookies["pillarbox"]


async def test_recovery_codes_are_made_anew_and_the_second_factor_is_turned_off(site: Site, admin: Visitor) -> None:
    _, codes = await enrolled(site)
    admin = site.visitor()
    await admin.sign_in()
    await admin.fill_in("/sign-in/code", code=codes[0])
    await admin.look("/account/codes")
    assert (await admin.fill_in("/account/codes", password=PASSWORD, code=codes[0])).status == 401
    seen = await admin.fill_in("/account/codes", password=PASSWORD, code=codes[1])
    fresh = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", seen.html.partition("<pre>")[2])
    assert (seen.status, fresh[0] in codes) == (200, False)
    await admin.look("/account/second-factor/drop")
    assert (await admin.fill_in("/account/second-factor/drop", password=PASSWORD, code=codes[2])).status == 401
    before = admin.cookies["pillarbox"]
    seen = await admin.fill_in("/account/second-factor/drop", password=PASSWORD, code=fresh[0])
    assert "The second factor is off." in seen.text
    assert admin.cookies["pillarbox"] != before
    assert not (await site.house.gateway.household.people.get("anna")).has_second_factor
    assert await works(admin)


def test_the_picture_is_dark_on_light_and_asks_for_nothing() -> None:
    kind, _, data = picture("otpauth://totp/Pillarbox:anna?secret=ABC&issuer=Pillarbox").partition(",")
    assert kind.startswith("data:image/svg+xml")
    svg = base64.b64decode(data).decode() if kind.endswith(";base64") else unquote(data)
    assert "#fff" in svg
    assert not re.search(r"<script|href|url\(|<image", svg)
