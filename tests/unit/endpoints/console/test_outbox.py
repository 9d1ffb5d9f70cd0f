"""The outbox in a browser: what is found, what was tried, what a person may do, and that only they may."""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.delivery.submission import Terms
from pillarbox.emulator.faults import Faults
from pillarbox.endpoints.console.languages import language
from tests.unit.endpoints.console.conftest import Site, Visitor

MIME = b"From: %s\r\nTo: bob@fabrikam.example\r\nSubject: Hello\r\n%b\r\nHello\r\n"
BOB = "bob@fabrikam.example"


async def held(site: Site, sender: str = "scanner@contoso.example", *to: str, more: bytes = b"") -> str:
    """A message that waits for an approval."""
    printer = await site.house.gateway.submitters.get("printer")
    envelope, content = Envelope(sender, to or (BOB,)), in_memory(MIME % (sender.encode(), more))
    return await site.house.gateway.submission.accept(envelope, content, printer, terms=Terms(approval=True))


async def sent(site: Site) -> str:
    """A message that Microsoft accepted."""
    queue_id = await site.house.accept(MIME % (b"scanner@contoso.example", b""), BOB)
    await site.house.settled(queue_id)
    return queue_id


def listed(html: str) -> list[str]:
    """The queue ids of a list, from above."""
    return re.findall(r'href="/outbox/([0-9A-Z]{16})"', html)


async def test_who_misses_a_mail_is_led_to_what_was_refused_if_they_may_see_it(site: Site, admin: Visitor) -> None:
    assert "See what was refused." in (await admin.look("/outbox")).text
    assert "See what was refused." not in (await (await site.signed_in("otto")).look("/outbox")).text


async def test_the_newest_message_stands_first_and_leads_to_its_page(site: Site, admin: Visitor) -> None:
    first, second = await held(site), await held(site, "erp@contoso.example", BOB, "carol@fabrikam.example")
    seen = await admin.look("/outbox")
    assert listed(seen.html) == sorted(
        [first, second], reverse=True
    )  # Ids sort by age, within a millisecond by chance.
    assert "bob@fabrikam.example and 1 other" in seen.text
    seen = await admin.look(f"/outbox/{second}")
    assert seen.status == 200
    assert "It waits until a person lets it go." in seen.text
    assert "carol@fabrikam.example" in seen.text


async def test_an_empty_outbox_says_what_to_do(admin: Visitor) -> None:
    assert "No mail yet" in (await admin.look("/outbox")).text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("mailbox=erp@contoso.example", [1]),
        ("state=held", [1, 0]),
        ("state=failed", []),
        ("submitter=printer", [1, 0]),
        ("submitter=nobody", []),
        ("code=outbox.needs_approval", [1, 0]),
        ("cause=throttled", []),
        ("recipient=BOB@fabrikam.example", [1, 0]),
        ("recipient=*@fabrikam.example&mailbox=erp@contoso.example", [1]),
        ("recipient=carol@fabrikam.example", []),
        ("since=2020-01-01T00:00", [1, 0]),
        ("until=2020-01-01T00:00", []),
        ("state=held&mailbox=scanner@contoso.example", [0]),
    ],
)
async def test_filters_narrow_the_list_and_stay_in_the_form(
    site: Site, admin: Visitor, query: str, found: list[int]
) -> None:
    both = [await held(site), await held(site, "erp@contoso.example")]
    seen = await admin.look(f"/outbox?{query}")
    assert listed(seen.html) == sorted((both[number] for number in found), reverse=True)
    form = next(form for form in seen.forms if form.action == "/outbox" and form.method == "GET")
    for name, value in (pair.split("=") for pair in query.split("&")):
        assert form.fields[name] == value
    if not found:
        assert "No such messages" in seen.text


async def test_a_time_is_that_of_the_readers_clock(site: Site, admin: Visitor) -> None:
    queue_id = await held(site)
    created = (await site.house.gateway.outbox.get(queue_id) or {})["created_at"]
    since = datetime.fromtimestamp(created - 1800, UTC).isoformat(timespec="minutes")[:16]
    assert listed((await admin.look(f"/outbox?since={since}")).html) == [queue_id]
    assert listed((await admin.look(f"/outbox?since={since}&offset=60")).html) == []
    assert listed((await admin.look(f"/outbox?since={since}&offset=-60")).html) == [queue_id]


async def test_what_cannot_be_asked_for_is_told_beside_the_form(admin: Visitor) -> None:
    seen = await admin.look("/outbox?mailbox=nobody@contoso.example")
    assert seen.status == 404
    assert 'value="nobody@contoso.example"' in seen.html
    seen = await admin.look("/outbox?since=yesterday")
    assert seen.status == 422
    assert (await admin.look("/outbox?state=lost")).status == 422
    seen = await admin.look("/outbox?recipient=bob")
    assert (seen.status, "'bob' is neither a mail address" in seen.text) == (422, True)
    assert "No such messages" not in seen.text


async def test_a_message_is_found_by_its_id_and_by_its_message_id(site: Site, admin: Visitor) -> None:
    await held(site)
    queue_id = await held(site, more=b"Message-ID: <abc@contoso.example>\r\n")
    assert (await admin.look(f"/outbox?q={queue_id.lower()}")).url.endswith(f"/outbox/{queue_id}")
    for written in ("abc@contoso.example", "%3Cabc@contoso.example%3E", "%20abc@contoso.example"):
        assert listed((await admin.look(f"/outbox?q={written}")).html) == [queue_id]
    assert listed((await admin.look("/outbox?q=other@contoso.example")).html) == []
    assert (await admin.look("/outbox?q=0000000000000000")).status == 404


async def test_older_messages_follow_with_the_same_filters(site: Site, admin: Visitor) -> None:
    ids = sorted([await held(site) for _ in range(52)])
    seen = await admin.look("/outbox?state=held")
    assert listed(seen.html) == ids[:1:-1]
    older = next(link for link in seen.links if "cursor=" in link)
    assert "state=held" in older
    seen = await admin.look(older.replace("&amp;", "&"))
    assert listed(seen.html) == ids[1::-1]
    assert "data-live-from" not in seen.html


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("queued", "", "It waits for its turn"),
        ("queued", "send_at = 4e9, due_at = 4e9", "It is sent at its time: Oct 2, 2096"),
        ("sending", "", "It is being handed to Microsoft"),
        ("sent", "", "Microsoft accepted it"),
        ("sent", "delivery = 'delivered'", "Exchange says that it was delivered"),
        ("sent", "delivery = 'bounced', delivery_text = '550 <no>'", "550 <no>"),
        ("deferred", "due_at = 4e9", "The next one is at Oct 2, 2096"),
        ("uncertain", "due_at = 4e9, expires_at = 5e9", "It is sent again at Oct 2, 2096"),
        ("uncertain", "due_at = 4e9, expires_at = 3e9", "It is held then"),
        ("held", "", "It waits for a person"),
        ("failed", "", "It is not sent any more"),
        ("bounced", "", "its sender was told"),
        ("canceled", "", "A person does not want it sent"),
        ("canceled", "approval = 'refused'", "A person rejected it"),
    ],
)
async def test_each_state_says_what_it_means(site: Site, admin: Visitor, state: str, more: str, said: str) -> None:
    queue_id = await held(site)
    await site.house.gateway.governors.pause("all", "")  # Nothing else moves it.
    store = site.house.gateway.outbox._database._writer  # type: ignore[attr-defined]
    for (trigger,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        store.execute(f"DROP TRIGGER {trigger}")  # They tell of changes that happen.
    store.execute("UPDATE outbox SET approval = '', code = ''")
    store.execute(f"UPDATE outbox SET {more or 'code = code'}")
    store.execute("UPDATE outbox SET state = ?", (state,))
    seen = await admin.look(f"/outbox/{queue_id}")
    assert seen.status == 200
    assert said in seen.text


async def test_what_microsoft_said_of_each_attempt_is_told(site: Site, admin: Visitor) -> None:
    queue_id = await sent(site)
    seen = await admin.look(f"/outbox/{queue_id}")
    (attempt,) = await site.house.gateway.outbox.attempts((await site.house.gateway.outbox.get(queue_id) or {})["seq"])
    assert "Attempt 1: Microsoft accepted it" in seen.text
    assert f'data-copies="{attempt["request_id"]}"' in seen.html
    assert "202" in seen.text


async def test_a_refusal_of_microsoft_is_told_with_its_code_and_cure(
    site: Site, admin: Visitor, faults: Faults
) -> None:
    faults.add(path="/sendMail", status=403, code="ErrorAccessDenied")
    queue_id = await site.house.accept(MIME % (b"scanner@contoso.example", b""), BOB)
    row = await site.house.settled(queue_id, "held")
    seen = await admin.look(f"/outbox/{queue_id}")
    assert "ErrorAccessDenied" in seen.text
    assert row["cure"].split("`")[0].strip() in seen.text
    assert seen.form("/decide").fields["act"] == "retry"


async def test_the_cure_is_in_the_readers_language_where_the_code_is_microsofts(
    site: Site, admin: Visitor, faults: Faults
) -> None:
    faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients")
    queue_id = await site.house.accept(MIME % (b"scanner@contoso.example", b""), BOB)
    row = await site.house.settled(queue_id, "bounced", "failed")
    assert row["cure"] in (await admin.look(f"/outbox/{queue_id}")).text
    admin.language = "uk"
    seen = await admin.look(f"/outbox/{queue_id}")
    assert row["cure"] not in seen.text
    assert "одержувач" in seen.text


async def test_causes_are_chosen_by_what_they_mean(admin: Visitor) -> None:
    seen = await admin.look("/outbox?cause=throttled")
    assert '<option value="throttled" selected>Microsoft asks this mailbox to slow down.</option>' in seen.html


async def test_a_message_is_approved_and_goes(site: Site, admin: Visitor) -> None:
    queue_id = await held(site)
    await admin.look(f"/outbox/{queue_id}")
    seen = await admin.fill_in("/decide", act="approve")
    assert seen.url.endswith(f"/outbox/{queue_id}")
    assert "Approved: it goes now." in seen.text
    await site.house.settled(queue_id)


async def test_a_message_is_rejected_with_a_reason_for_its_trace(site: Site, admin: Visitor) -> None:
    queue_id = await held(site)
    await admin.look(f"/outbox/{queue_id}")
    seen = await admin.fill_in("/decide", act="reject", reason="<b>not this one</b>")
    assert "rejected by anna: <b>not this one</b>" in seen.text
    assert "<b>not" not in seen.html
    assert "A person rejected it." in seen.text


async def test_what_cannot_be_done_any_more_is_told_on_its_page(site: Site, admin: Visitor) -> None:
    queue_id = await held(site)
    await admin.look(f"/outbox/{queue_id}")
    await admin.fill_in("/decide", act="reject")
    token = (await admin.look(f"/outbox/{queue_id}")).form("/sign-out").fields["form_token"]
    seen = await admin.send(f"/outbox/{queue_id}/decide", {"form_token": token, "act": "approve"})
    assert seen.status == 409
    assert "canceled" in seen.text
    seen = await admin.send(f"/outbox/{queue_id}/decide", {"form_token": token, "act": "remove"})
    assert seen.status == 200
    assert (await site.house.gateway.outbox.get(queue_id) or {})["state"] == "canceled"


async def test_only_what_its_state_allows_is_offered(site: Site, admin: Visitor) -> None:
    waiting, gone = await held(site), await sent(site)
    acts = {form.fields.get("act") for form in (await admin.look(f"/outbox/{waiting}")).forms}
    assert acts == {None, "approve", "reject"}
    assert {form.fields.get("act") for form in (await admin.look(f"/outbox/{gone}")).forms} == {None}


async def test_many_are_decided_at_once_and_the_filters_stay(site: Site, admin: Visitor) -> None:
    ids = [await held(site) for _ in range(3)]
    await admin.look("/outbox?state=held")
    seen = await admin.fill_in("/outbox/decide", id=ids[:2], act="reject", reason="too many")
    assert "Rejected. Messages: 2." in seen.text
    assert seen.url.endswith("/outbox?state=held")
    assert listed(seen.html) == [ids[2]]


async def test_the_buttons_for_many_come_and_go_with_the_list(site: Site, admin: Visitor) -> None:
    await held(site)
    _, _, live = (await admin.look("/outbox")).html.partition('<div id="messages" data-live')
    assert 'class="bulk"' in live.partition("</form>")[0]


async def test_what_came_of_each_is_told_where_not_all_could_be_done(site: Site, admin: Visitor) -> None:
    waiting, gone = await held(site), await sent(site)
    await admin.look("/outbox")
    seen = await admin.fill_in("/outbox/decide", id=[waiting, gone, "<i>x</i>"], act="approve")
    assert seen.status == 409
    assert gone in seen.text
    assert f'href="/outbox/{waiting}"' in seen.html
    assert seen.text.count("not done") == 2
    assert "<i>" not in seen.html
    await site.house.settled(waiting)
    assert re.search(r'data-copies="[0-9a-f]{32}"[^>]*>Copy the request id', seen.html)


async def test_from_an_older_page_the_way_back_is_to_that_page(site: Site, admin: Visitor) -> None:
    for _ in range(51):
        await held(site)
    (older,) = {link for link in (await admin.look("/outbox?state=held")).links if "cursor=" in link}
    (oldest,) = listed((await admin.look(older)).html)
    seen = await admin.fill_in("/outbox/decide", id=[oldest], act="cancel")
    assert "Canceled. Messages: 1." in seen.text
    assert parse_qs(urlsplit(seen.url).query) == parse_qs(urlsplit(older).query)


async def test_nothing_chosen_does_nothing_and_says_so(site: Site, admin: Visitor) -> None:
    await held(site)
    await admin.look("/outbox")
    seen = await admin.fill_in("/outbox/decide", act="reject")
    assert '<p class="notice warn" role="status">Nothing was chosen' in seen.html


async def test_the_way_back_is_always_to_the_outbox(site: Site, admin: Visitor) -> None:
    await held(site)
    await admin.look("/outbox")
    seen = await admin.fill_in("/outbox/decide", act="retry", back="https://evil.example/?state=held&x=y")
    assert seen.url == admin.url + "/outbox"


async def test_it_is_told_how_far_back_was_looked_and_how_to_go_on(site: Site, admin: Visitor) -> None:
    people = [f"{name}@fabrikam.example" for name in ("bob", "carol", "dave", "erin")]
    written_to = {await held(site, "scanner@contoso.example", to): to for to in people}
    site.house.gateway.outbox._slice_rows = 1  # It looks through three for a page.
    oldest, newest = min(written_to), max(written_to)

    seen = await admin.look(f"/outbox?recipient={written_to[newest]}")
    assert (listed(seen.html), "older messages that were not looked through yet" in seen.text) == ([newest], True)
    seen = await admin.look(*{link for link in seen.links if "cursor=" in link})
    assert (listed(seen.html), "Nothing older is as you asked for." in seen.text) == ([], True)
    seen = await admin.look(f"/outbox?recipient={written_to[oldest]}")
    assert (listed(seen.html), "older messages that were not looked through yet" in seen.text) == ([], True)
    seen = await admin.look(*{link for link in seen.links if "cursor=" in link})
    assert (listed(seen.html), "not looked through yet" in seen.text) == ([oldest], False)


async def test_all_sending_is_paused_and_goes_on(site: Site, admin: Visitor) -> None:
    await admin.look("/outbox")
    seen = await admin.fill_in("/outbox/pause", reason="a flood <of mail>")
    assert "a flood <of mail>" in seen.text
    assert "<of mail>" not in seen.html
    waits = await site.house.accept(MIME % (b"scanner@contoso.example", b""), BOB)
    assert "A person has paused it." in (await admin.look(f"/outbox/{waits}")).text
    await admin.look("/outbox")
    seen = await admin.fill_in("/outbox/resume")
    assert "Let it go on" not in seen.text
    await site.house.settled(waits)


async def test_who_may_decide_nothing_is_offered_nothing_and_refused(site: Site) -> None:
    queue_id = await held(site)
    auditor = await site.signed_in("alma")
    for path in ("/outbox", f"/outbox/{queue_id}"):
        seen = await auditor.look(path)
        assert not {form.fields.get("act") for form in seen.forms} - {None}
    token = seen.form("/sign-out").fields["form_token"]
    for path in (f"/outbox/{queue_id}/decide", "/outbox/decide", "/outbox/pause", "/outbox/resume"):
        answer = await auditor.send(path, {"form_token": token, "act": "approve", "id": queue_id})
        assert answer.status == 403
    assert (await site.house.gateway.outbox.get(queue_id) or {})["state"] == "held"


async def test_what_strangers_wrote_is_shown_as_text(site: Site, admin: Visitor) -> None:
    # An address may hold what HTML is made of (RFC 5321 section 4.1.2).
    to = "\"<img/src=x onerror=alert('1')>\"@fabrikam.example"
    queue_id = await held(site, "scanner@contoso.example", to)
    for path in ("/outbox", f"/outbox/{queue_id}"):
        seen = await admin.look(path)
        assert "onerror=alert" in seen.text
        assert "<img/src" not in seen.html


async def test_a_page_of_the_outbox_is_small(site: Site, admin: Visitor) -> None:
    for _ in range(50):
        await held(site)
    assert len((await admin.look("/outbox")).html) < 100_000


async def test_a_row_says_how_large_it_is_and_why_no_subject_stands_there(site: Site) -> None:
    row = await site.house.gateway.outbox.get(await held(site, more=b"X-Long: " + b"x" * 900 + b"\r\n"))
    assert row is not None
    seen = await (await site.signed_in()).look("/outbox")
    assert f"printer · {language('en').size(row['size'])}" in seen.text
    assert "its subject too, only an auditor reads" in seen.text
    assert "only an auditor reads" not in (await (await site.signed_in("alma")).look("/outbox")).text


async def test_a_message_without_a_sender_is_called_a_notice(site: Site, admin: Visitor) -> None:
    printer = await site.house.gateway.submitters.get("printer")
    content = in_memory(MIME % (b"scanner@contoso.example", b""))
    queue_id = await site.house.gateway.submission.accept(Envelope("", (BOB,)), content, printer)
    for path in ("/outbox", f"/outbox/{queue_id}"):
        seen = await admin.look(path)
        assert ("a notice of delivery" in seen.text, "<>" in seen.text) == (True, False)
