"""The door of the console: who comes in, what other sites can make a browser do, in which language."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core.errors import Forbidden, NotFound
from pillarbox.core.vault import Secret
from pillarbox.endpoints.console import WORDS, pages
from pillarbox.endpoints.console.languages import NAMES, chosen
from pillarbox.endpoints.console.page import Notices
from pillarbox.endpoints.console.pages.signing_in import ours
from pillarbox.endpoints.console.templates import FOLDER
from tests.unit.endpoints.console.conftest import PASSWORD, Site, Visitor

ELSEWHERE = ["//e", "/\\e", "/\t/e", "https:e", "https://e.example/", "\x09//e", "javascript:alert(1)", "/\n/e", "/ї"]


async def test_a_stranger_is_asked_to_sign_in_and_comes_where_they_wanted_to_go(site: Site) -> None:
    visitor = site.visitor()
    seen = await visitor.look("/about?x=1")
    assert seen.status == 200
    assert "/sign-in?next=%2Fabout%3Fx%3D1" in seen.url
    seen = await visitor.fill_in("/sign-in", name="anna", password=PASSWORD)
    assert (seen.status, seen.url) == (200, visitor.url + "/about?x=1")
    assert "anna" in seen.text


async def test_a_wrong_password_is_told_and_the_name_stays(site: Site) -> None:
    visitor = site.visitor()
    await visitor.look("/sign-in")
    seen = await visitor.fill_in("/sign-in", name="anna", password="wrong wrong wrong")
    assert seen.status == 401
    assert seen.form("/sign-in").fields["name"] == "anna"
    assert "wrong wrong wrong" not in seen.html
    assert "pillarbox" not in visitor.cookies


async def test_a_session_is_another_one_after_each_sign_in_and_the_last_one_is_over(site: Site) -> None:
    visitor = site.visitor()
    await visitor.sign_in()
    before = dict(visitor.cookies)
    planted = site.visitor()
    planted.cookies = {"pillarbox": "planted"}
    await planted.sign_in()
    assert planted.cookies["pillarbox"] not in ("planted", before["pillarbox"])
    await visitor.look("/about")
    await visitor.fill_in("/sign-out")
    late = site.visitor()
    late.cookies = before
    assert "/sign-in" in (await late.look("/about")).url


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}])
async def test_a_form_of_another_site_does_nothing(admin: Visitor, headers: dict[str, str]) -> None:
    token = (await admin.look("/about")).form("/sign-out").fields
    assert (await admin.send("/sign-out", token, headers)).status == 403
    assert (await admin.look("/about")).url.endswith("/about")


@pytest.mark.parametrize("token", ["", "0" * 32])
async def test_a_form_without_the_token_of_its_session_does_nothing(admin: Visitor, token: str) -> None:
    assert (await admin.send("/sign-out", {"form_token": token})).status == 403
    assert (await admin.look("/about")).url.endswith("/about")


async def test_an_open_page_that_renews_itself_keeps_no_session_alive(make_site: Callable[..., Any]) -> None:
    now = [1_795_176_000.0]
    site: Site = await make_site(clock=lambda: now[0])
    visitor = await site.signed_in()
    # As browsers say of EventSource and fetch().
    by_script = {"Cookie": f"pillarbox={visitor.cookies['pillarbox']}", "Sec-Fetch-Dest": "empty"}
    for _ in range(11):
        now[0] += 3600
        async with site.session.get(f"{visitor.url}/about", headers=by_script, allow_redirects=False) as answer:
            assert answer.status == 200
    now[0] += 3600
    assert "/sign-in" in (await visitor.look("/about")).url


async def test_whoever_signed_in_in_another_window_meanwhile_can_sign_in_here_too(site: Site) -> None:
    visitor = site.visitor()
    form = {"name": "anna", "password": PASSWORD, "next": "/about"}
    for _ in range(2):
        assert (await visitor.send("/sign-in", form)).url.endswith("/about")
    seen = await visitor.send("/sign-in", form, {"Sec-Fetch-Site": "cross-site"})
    assert seen.status == 403


async def test_pages_let_old_browsers_say_that_a_form_is_ours(site: Site) -> None:
    # Those that know no Sec-Fetch-Site send `Origin: null` from a page that forbids the referrer.
    assert (await site.visitor().look("/sign-in")).headers["Referrer-Policy"] == "same-origin"


async def test_a_page_with_letters_of_any_language_in_its_address_is_found_again(site: Site, admin: Visitor) -> None:
    visitor = site.visitor()
    await visitor.look("/people/%D1%97?x=%D1%97")
    assert (await visitor.fill_in("/sign-in", name="anna", password=PASSWORD)).url.endswith("/people/%D1%97?x=%D1%97")
    await admin.look("/people/%D1%97")
    assert (await admin.fill_in("/language", language="uk")).url.endswith("/people/%D1%97")


async def test_nobody_is_signed_in_by_another_site(site: Site) -> None:
    visitor = site.visitor()
    seen = await visitor.send("/sign-in", {"name": "anna", "password": PASSWORD}, {"Origin": "https://evil.example"})
    assert seen.status == 403
    assert "pillarbox" not in visitor.cookies


@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_way_back_leads_nowhere_else(path: str) -> None:
    assert ours(path) == "/"


@pytest.mark.parametrize("path", ["/", "/outbox/3f?x=1&y=2", "/mailboxes/a@b.example", "/people/%2F"])
def test_the_way_back_leads_to_pages_of_ours(path: str) -> None:
    assert ours(path) == path


async def test_each_answer_lets_nothing_run_but_what_is_ours(admin: Visitor) -> None:
    for path in ("/about", "/nowhere", "/sign-in"):
        headers = (await admin.look(path)).headers
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("same-origin", "no-store")
        assert "camera=()" in headers["Permissions-Policy"]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy


async def test_files_are_kept_for_ever_under_an_address_that_changes_with_them(admin: Visitor) -> None:
    address = re.search(r'href="(/static/[0-9a-f]{12}/console.css)"', (await admin.look("/about")).html)
    assert address is not None
    seen = await admin.look(address[1])
    assert (seen.status, seen.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in seen.headers["Cache-Control"]
    for other in (address[1].replace("/static/", "/static/0"), "/static/x/console.css", "/static/x/..%2fapp.py"):
        seen = await admin.look(other)
        assert (seen.status, "immutable" in seen.headers["Cache-Control"]) == (404, False)
    for other in ("..%2fapp.py", f"{'x' * 5000}.css", "%00.css"):
        assert (await admin.look(f"{address[1].removesuffix('console.css')}{other}")).status == 404


async def test_forms_that_somebody_may_not_send_are_not_shown_to_them(site: Site, admin: Visitor) -> None:
    source = "".join(Path(str(page.__file__)).read_text("utf-8") for page in pages.ALL)
    forms = [path for path in re.findall(r'console\.get\(\s*"([^"{]+)"', source) if path.endswith("/:new")]
    assert len(forms) >= 6
    alma, otto = await site.signed_in("alma"), await site.signed_in("otto")
    for path in (*forms, "/start/devices", "/start/users"):
        assert ((await admin.look(path)).status, (await otto.look(path)).status) == (200, 403), path
        seen = await alma.look(path)
        assert (seen.status, [form.action for form in seen.forms]) == (403, ["/sign-out", "/language"]), path
        assert "access.no_scope" in seen.text, path
    for path in ("/mailboxes/scanner@contoso.example/test", "/start/mailbox/scanner@contoso.example", "/compose"):
        assert ((await alma.look(path)).status, (await admin.look(path)).status) == (403, 200), path


async def test_what_was_done_is_said_once_in_the_browser_that_did_it(site: Site, admin: Visitor) -> None:
    other = await site.signed_in()
    await admin.look("/mailboxes/scanner@contoso.example")
    fields = admin.page.form("/pause").fields if admin.page else {}
    page = await admin.send("/mailboxes/scanner@contoso.example/pause", fields | {"reason": "x"})
    assert "is paused: what comes in waits" in page.text
    assert "is paused: what comes in waits" not in (await admin.look("/about")).text
    assert "is paused: what comes in waits" not in (await other.look("/about")).text


def test_what_is_to_be_said_is_bounded_for_each_visitor_and_for_all() -> None:
    notices = Notices()
    for number in range(100):
        notices.add("anna", f"{number}")
    assert [text for _, text in notices.take("anna")] == [f"{number}" for number in range(90, 100)]
    for number in range(1000):
        notices.add(f"visitor {number}", "done")
    notices.add("visitor 999", "again")
    assert len(notices.take("visitor 0")) == 1
    for number in range(1000, 1003):
        notices.add(f"visitor {number}", "done")
    assert not notices.take("visitor 1")
    assert len(notices.take("visitor 999")) == 2


def test_nobody_is_told_what_another_did_who_is_signed_out_by_it() -> None:
    notices = Notices()
    notices.add("", "done")
    assert not notices.take("")


async def test_a_form_that_was_sent_after_the_session_was_over_is_said_to_be_undone_and_found_again(
    site: Site, admin: Visitor
) -> None:
    await admin.look("/keys/:new?name=crm")
    household = site.house.gateway.household
    await household.sessions.end_all((await household.people.get("anna")).id)
    seen = await admin.fill_in("/keys", name="crm")
    assert "what you sent was not done" in seen.text
    seen = await admin.fill_in("/sign-in", name="anna", password=PASSWORD)
    assert seen.url == f"{admin.url}/keys/:new?name=crm"
    assert site.house.gateway.keys.list() == []


async def test_of_what_is_only_looked_at_nothing_is_undone(site: Site) -> None:
    assert "what you sent" not in (await site.visitor().look("/keys/:new")).text


async def test_who_signs_out_after_the_session_was_over_is_signed_out(site: Site, admin: Visitor) -> None:
    await admin.look("/about")
    household = site.house.gateway.household
    await household.sessions.end_all((await household.people.get("anna")).id)
    seen = await admin.fill_in("/sign-out")
    assert (seen.status, seen.url, "what you sent" in seen.text) == (200, f"{admin.url}/sign-in", False)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/about", "GET, HEAD"),
        ("TRACE", "/keys", "GET, HEAD, POST"),
        ("DELETE", "/keys/crm", "GET, HEAD, POST"),
        ("GET", "/keys/crm/rotate", "POST"),
        ("OPTIONS", "/static/x/console.css", "GET, HEAD"),
        ("BREW", "/sign-in", "GET, HEAD, POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(site: Site, method: str, path: str, allowed: str) -> None:
    async with site.session.request(method, site.visitor().url + path) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        assert "Content-Security-Policy" in answer.headers


async def test_an_address_that_is_none_of_ours_says_so(admin: Visitor) -> None:
    seen = await admin.look("/nowhere")
    assert seen.status == 404
    assert "There is nothing here" in seen.text


async def test_under_a_path_every_address_begins_with_it(make_site: Callable[..., Any]) -> None:
    site: Site = await make_site({"http.public_url": "http://localhost/mail/gate"})
    visitor = site.visitor()
    visitor.url = f"http://{site.house.gateway.http_address}"
    seen = await visitor.look("/mail/gate/about")
    assert seen.url.endswith("/mail/gate/sign-in?next=%2Fabout")
    assert all(link.startswith(("/mail/gate/", "#")) for link in seen.links)
    assert seen.form("/sign-in").action == "/mail/gate/sign-in"


@pytest.mark.parametrize(
    ("kept", "accepted", "tag"),
    [
        ("", "", "en"),
        ("", "zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"),
        ("", "zh-CN,zh;q=0.9", "zh-Hans"),
        ("", "zh-Hant-HK", "zh-Hant"),
        ("", "zh-Hans-HK,zh;q=0.9", "zh-Hans"),
        ("", "de-DE,uk;q=0.5,en;q=0.3", "uk"),
        ("", "en;q=0.2,uk;q=0.9", "uk"),
        ("", "uk;q=0,fr", "en"),
        ("", "uk;q=x, *;q=0.1", "en"),
        ("uk", "zh-TW", "uk"),
        ("tlh", "zh-TW", "zh-Hant"),
    ],
)
def test_the_language_is_the_one_that_was_chosen_or_that_the_browser_wants(kept: str, accepted: str, tag: str) -> None:
    assert chosen(kept, accepted).tag == tag


async def test_a_language_is_chosen_and_stays(admin: Visitor) -> None:
    await admin.look("/about")
    for tag in NAMES:
        seen = await admin.fill_in("/language", language=tag, next="/about")
        assert f'<html lang="{tag}">' in seen.html
    await admin.fill_in("/language", language="../../etc", next="/about")
    assert admin.cookies["pillarbox_language"] == list(NAMES)[-1]


@pytest.mark.parametrize(
    ("referer", "leads_to"),
    [
        ("{url}/keys/:new?x=%D1%97", "/keys/:new?x=%D1%97"),
        ("{url}/keys", "/keys"),
        ("", "/keys"),
        ("{url}/keys/crm/rotate", "/keys"),  # only forms go there
        ("{url}//evil.example/", "/keys"),
        ("http://[", "/keys"),
    ],
)
async def test_a_language_that_is_chosen_where_a_form_was_answered_leads_to_where_the_form_stood(
    admin: Visitor, referer: str, leads_to: str
) -> None:
    form = (await admin.look("/keys/:new")).form("/keys")
    said = {"Referer": referer.format(url=admin.url)} if referer else {}
    refused = await admin.send("/keys", form.fields | {"name": "no name at all"}, {"Origin": admin.url} | said)
    assert refused.status == 422
    seen = await admin.fill_in("/language", language="uk")
    assert (seen.status, seen.url) == (200, f"{admin.url}{leads_to}")


async def test_another_language_leaves_what_one_looked_at_and_where_one_wanted_to_go(
    site: Site, admin: Visitor
) -> None:
    await admin.look("/outbox?state=held&code=a%26b")
    seen = await admin.fill_in("/language", language="uk")
    assert seen.url == f"{admin.url}/outbox?state=held&code=a%26b"
    stranger = site.visitor()
    await stranger.look("/outbox?state=held")
    seen = await stranger.fill_in("/language", language="uk")
    assert seen.form("/sign-in").fields["next"] == "/outbox?state=held"


async def test_a_sign_in_link_works_once_and_not_by_looking(site: Site) -> None:
    links, people = site.house.gateway.household.sign_in_links, site.house.gateway.household.people
    path = links.make(await people.get("anna")).url.reveal().removeprefix(site.house.gateway.public_url)
    visitor = site.visitor()
    for _ in range(2):
        assert "signs you in once" in (await visitor.look(path)).text
    assert "pillarbox" not in visitor.cookies
    assert (await visitor.send(path, {}, {"Origin": "https://evil.example"})).status == 403
    await visitor.look(path)
    seen = await visitor.fill_in(path)
    assert (seen.url, "anna" in seen.text) == (visitor.url + "/", True)
    late = site.visitor()
    await late.look(path)
    seen = await late.fill_in(path)
    assert (seen.status, "signs you in once" in seen.text, "/sign-in" in seen.links) == (404, False, True)
    assert "pillarbox" not in late.cookies


@pytest.mark.parametrize("token", ["..%2F..%2Foutbox%2Fpause", "x%3Fy", "x%23y"])
async def test_a_made_up_sign_in_link_has_nobody_send_another_form(admin: Visitor, token: str) -> None:
    seen = await admin.look(f"/sign-in/link/{token}")
    (form,) = [form for form in seen.forms if form.text.startswith("Open the console")]
    assert (form.action, form.fields) == (f"/sign-in/link/{token}", {})


async def test_a_sign_in_link_works_for_whoever_signed_in_in_another_window_meanwhile(site: Site) -> None:
    household = site.house.gateway.household
    path = household.sign_in_links.make(await household.people.get("anna")).url.reveal()
    path = path.removeprefix(site.house.gateway.public_url)
    visitor = site.visitor()
    opened = await visitor.look(path)
    await visitor.sign_in("otto")
    seen = await visitor.send(path, opened.form(path).fields)
    assert (seen.status, "anna" in seen.text) == (200, True)
    assert (await visitor.send(path, {}, {"Sec-Fetch-Site": "cross-site"})).status == 403


async def test_a_sign_in_link_of_somebody_who_is_kept_out_says_so_and_works_once_they_are_let_in(site: Site) -> None:
    household = site.house.gateway.household
    path = household.sign_in_links.make(await household.people.get("otto")).url.reveal()
    path = path.removeprefix(site.house.gateway.public_url)
    await household.people.change("otto", enabled=False)
    visitor = site.visitor()
    await visitor.look(path)
    seen = await visitor.fill_in(path)
    assert (seen.status, "otto is kept out here." in seen.text) == (403, True)
    assert not visitor.cookies.get("pillarbox")
    rows = await site.house.gateway.audit.list(limit=10)
    assert [row.code for row in rows if (row.action, row.actor_name) == ("sign_in", "otto")] == ["person.kept_out"]
    with pytest.raises(Forbidden):
        household.sign_in_links.make(await household.people.get("otto"))
    await household.people.change("otto", enabled=True)
    assert "otto" in (await visitor.fill_in(path)).text
    assert visitor.cookies["pillarbox"]


async def test_a_sign_in_link_is_over_with_the_password_that_its_person_had(site: Site) -> None:
    household = site.house.gateway.household
    path = household.sign_in_links.make(await household.people.get("otto")).url.reveal()
    path = path.removeprefix(site.house.gateway.public_url)
    await household.people.set_password(await household.people.get("otto"), Secret("another long password"))
    visitor = site.visitor()
    await visitor.look(path)
    seen = await visitor.fill_in(path)
    assert (seen.status, "This link leads nowhere." in seen.text) == (404, True)
    assert not visitor.cookies.get("pillarbox")


async def test_a_sign_in_link_is_over_after_a_quarter_of_an_hour(make_site: Callable[..., Any]) -> None:
    now = [1_795_176_000.0]
    site: Site = await make_site(clock=lambda: now[0])
    household = site.house.gateway.household
    token = household.sign_in_links.make(await household.people.get("anna")).url.reveal().rpartition("/")[2]
    now[0] += 900
    with pytest.raises(NotFound), household.sign_in_links.taking(token):
        pass


def test_every_page_has_its_first_word_among_those_that_no_public_path_may_begin_with() -> None:
    source = "".join(Path(str(page.__file__)).read_text("utf-8") for page in pages.ALL)
    words = set(re.findall(r'console\.(?:get|post)\(\s*f?"/([\w-]+)', source))
    assert words <= {*WORDS}
    assert words


def test_no_template_marks_anything_as_safe_or_holds_style_or_script() -> None:
    for file in FOLDER.rglob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), file.name
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", text), file.name
