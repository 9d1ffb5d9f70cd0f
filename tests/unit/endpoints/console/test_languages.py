"""Every text is there in every language, and what stands in it besides words is the same: values, tags, commands."""

import importlib
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from email.utils import formatdate
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from babel.messages import Catalog, Message
from babel.messages.mofile import read_mo
from jinja2 import nodes

from pillarbox.admin.check import clock
from pillarbox.admin.check.steps import Failed, Found
from pillarbox.admin.examine.accounts import judge_credential
from pillarbox.admin.examine.findings import Finding, Told
from pillarbox.admin.examine.keeping import judge_waiting
from pillarbox.core import catalogue
from pillarbox.core.accounts import Credential, CredentialKind
from pillarbox.core.cause import Cause
from pillarbox.core.errors import PillarboxError
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.doctor import FindingOut
from pillarbox.endpoints.console.languages import language
from pillarbox.endpoints.console.recognised import fields, values_in
from pillarbox.endpoints.console.templates import FOLDER
from pillarbox.endpoints.console.words import Said, of_cause, of_code, of_finding, of_pause, of_text
from tests.unit.core.test_catalogue import AT_THE_SMTP_DOOR
from tests.unit.endpoints.console.conftest import Seen, Site, Visitor

tools: Any = importlib.import_module("tools.languages")

BOX = "scanner@contoso.example"
SAME = {"doctor.versions"}
"""What has the same words in some language, and is told in English so."""
NOW = 1_795_286_400.0
TEMPLATES = sorted(FOLDER.glob("*.html"), key=lambda file: file.name)
INLINE = {"a", "br", "code", "em", "strong"}
NAMES = {
    *("Message-ID", "Microsoft Graph", "Pillarbox", "STARTTLS", "UTC"),
    *("Business Central", "ERP (SAP, Odoo, Business Central)", "Odoo", "SAP", "WordPress", "WP Mail SMTP"),
}
"""Words of templates that are the same in every language."""

in_each_language = pytest.mark.parametrize("tag", tools.TAGS)


@in_each_language
def test_every_text_is_translated(tag: str) -> None:
    made = tools.translations(tag)
    assert {text.id for text in tools.texts_of(tools.texts())} - {text.id for text in tools.texts_of(made)} == set()
    assert [text.id for text in tools.open_texts(made)] == []


@in_each_language
def test_no_text_is_kept_that_nothing_says(tag: str) -> None:
    assert ids(tools.translations(tag)) - ids(tools.texts()) == set(), "`make languages` takes it out"


@in_each_language
def test_what_is_compiled_is_what_was_translated(tag: str) -> None:
    _, mo = tools.files(tag)
    with mo.open("rb") as file:
        compiled = read_mo(file)
    made = tools.translations(tag)
    assert said(compiled) == said(made), "`make languages` compiles it"
    assert compiled.plural_forms == made.plural_forms


@in_each_language
@pytest.mark.parametrize("what", [r"%\(\w+\)s", r"\{\w+\}", r"</?[a-z]+[^>]*>|&\w+;", r"`[^`]*`"])
def test_values_tags_and_commands_are_those_of_the_text(tag: str, what: str) -> None:
    for text in tools.texts_of(tools.translations(tag)):
        for form in tools.forms(text):
            assert sorted(re.findall(what, form)) == sorted(re.findall(what, whole(text))), form


@in_each_language
def test_a_text_that_counts_has_all_forms_of_the_language(tag: str) -> None:
    made = tools.translations(tag)
    counted = [text for text in tools.texts_of(made) if text.pluralizable]
    assert counted
    assert {len(tools.forms(text)) for text in counted} == {made.num_plurals} == {3 if tag == "uk" else 1}


@in_each_language
def test_no_blanks_around_a_text_nor_a_line_break_in_it(tag: str) -> None:
    for text in tools.texts_of(tools.translations(tag)):
        for form in (whole(text), *tools.forms(text)):
            assert form == " ".join(form.split()), form


@in_each_language
def test_every_text_can_be_filled_in(tag: str) -> None:
    """A lone percent sign or brace would fail only when somebody looks."""
    for text in tools.texts_of(tools.translations(tag)):
        for form in tools.forms(text):
            if ("catalogue", None) in text.locations:
                form.format_map(defaultdict(str))
            else:
                assert form % defaultdict(str) or form.startswith("%(")


def test_a_text_holds_inline_tags_alone() -> None:
    for text in tools.texts_of(tools.texts()):
        assert set(re.findall(r"</?([a-z][a-z0-9]*)(?=[ >/])", re.sub(r"`[^`]*`|\w+@\w+", "", whole(text)))) <= INLINE


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_nothing_is_said_in_a_template_but_by_way_of_the_translations(file: Path) -> None:
    assert sorted({*shown(file.read_text("utf-8"))} - NAMES) == []
    assert sorted({*handed_on(file.read_text("utf-8"))} - NAMES) == []


def test_that_test_finds_what_is_not_translated() -> None:
    assert [*shown("<p>Hello {{ name }}</p>")] == ["Hello"]
    assert [*shown("<img alt='A picture'>{# why #}")] == ["A picture"]
    assert [*shown("{% trans n=1 %}One{% pluralize %}Many{% endtrans %}<p>{{ x }}: 1</p>")] == []
    assert [*handed_on("{{ ui.head('A page', _('Translated')) }}{{ _('Yes') }}")] == ["A page"]
    assert [*handed_on("{{ ui.field('name', _('Name'), hint='Its name') }}")] == ["Its name"]
    assert [*handed_on("{% set it = 'All of it' %}{{ it }}{{ 'Yes' if it else _('No') }}")] == ["All of it", "Yes"]


@in_each_language
def test_the_sentences_of_the_catalogue_are_said_with_their_values(tag: str) -> None:
    entries = {**catalogue.entries(), **catalogue.findings()}
    marked = [entry for entry in entries.values() if entry.translated]
    assert len(marked) >= 80
    for entry in marked:
        params = {name: f"<{name}>" for name in re.findall(r"\{(\w+)\}", entry.sentence + entry.cure)}
        told = of_code(entry.code, params, Said("", ""), language(tag))
        assert re.search(r"\w", told.sentence) or entry.code in SAME, entry.code
        for english, said in ((entry.sentence, told.sentence), (entry.cure, told.cure)):
            assert not said or all(f"<{name}>" in said for name in re.findall(r"\{(\w+)\}", english))


def test_causes_are_translated_as_people_choose_among_all_of_them() -> None:
    assert [cause for cause in Cause if not cause.entry.translated] == []


def test_what_is_not_marked_or_lacks_a_value_stays_in_english() -> None:
    english = Said("There it is.", "Look.")
    assert of_code("config.not_toml", {"file": "x", "reason": "y"}, english, language("uk")) == english
    assert of_code("no.such_code", {}, english, language("uk")) == english
    assert of_code("app.exists", {}, english, language("uk")).sentence == "There it is."


def test_a_finding_tells_spans_times_and_states_as_the_language_has_them_but_no_command() -> None:
    found = judge_waiting("deferred", 3, 7200.0)[0]
    held = judge_waiting("held", 1, 120.0)[0]
    ends = judge_credential(
        "contoso", Credential("c1", CredentialKind.SECRET, Secret("x"), ends_at=NOW + 6.4 * 86400), NOW
    )
    told = [of_finding(as_told(one), language("uk"), NOW) for one in (found, held, ends)]
    assert told[0].sentence == "Листів у стані «буде повторено»: 3, найстаріший чекає 2 години."
    assert "--state deferred" in told[0].cure
    assert "2 хвилини" in told[1].sentence
    assert "(секрет клієнта c1)" in told[2].sentence
    assert "(через 6 днів)" in " ".join(told[2].sentence.split())
    assert of_finding(as_told(found), language("en"), NOW) == Said(found.sentence, found.cure)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (0.2, "правильно (до секунди)"),
        (3.4, "правильно (3 секунди попереду годинника Microsoft)"),
        (-120.6, "правильно (2 хвилини позаду годинника Microsoft)"),
        (1200.6, "йде неточно: 20 хвилин попереду годинника Microsoft"),
    ],
)
def test_the_clock_is_told_in_spans_of_the_language(ahead: float, said: str) -> None:
    seen: Found | Failed
    try:
        seen = clock.judge("x.example", NOW + ahead + 0.5, formatdate(NOW))
    except Failed as failed:
        seen = failed
    told = {"code": seen.code, "title": "", "hint": "", "params": seen.params, "evidence": seen.evidence}
    assert said in of_finding(told, language("uk"), NOW).sentence


def test_a_pause_is_told_by_its_cause_and_not_by_the_word_of_the_api() -> None:
    params = {"cause": "throttled", "reason": "ApplicationThrottled", "mailboxes": BOX}
    told = of_code("doctor.paused", params, Said("", ""), language("uk")).sentence
    assert told == f"Призупинено ({of_cause('throttled', language('uk')).sentence[:-1]}: ApplicationThrottled): {BOX}."


def test_a_pause_is_told_in_the_language_whoever_made_it() -> None:
    by_hand = {"cause": "operator", "text": "A person has paused it.", "cure": ""}
    throttled = {"cause": "throttled", "text": "Microsoft asks this mailbox to slow down.", "cure": ""}
    assert of_pause(by_hand, language("zh-Hant")).sentence == "有人已暫停它。"
    assert of_pause(throttled, language("zh-Hans")).sentence == "Microsoft 要求此邮箱放慢速度。"
    assert of_pause(throttled, language("en")).sentence == throttled["text"]


@pytest.mark.parametrize(
    ("tag", "number", "percent", "size", "ago"),
    [
        ("en", "1,234,567.5", "26%", "2.5 MB", "2 hours ago"),
        ("zh-Hant", "1,234,567.5", "26%", "2.5 MB", "2 小時前"),
        ("zh-Hans", "1,234,567.5", "26%", "2.5 MB", "2小时前"),
        ("uk", "1 234 567,5", "26%", "2,5 МБ", "2 години тому"),
    ],
)
def test_numbers_and_spans_are_written_as_in_the_language(
    tag: str, number: str, percent: str, size: str, ago: str
) -> None:
    spoken = language(tag)
    written = (spoken.number(1234567.5), spoken.percent(0.256), spoken.size(2_500_000), spoken.ago(7200))
    assert tuple(" ".join(one.split()) for one in written) == (number, percent, size, ago)


@pytest.mark.parametrize(
    ("tag", "moment"),
    [
        ("en", "Nov 21, 2026, 6:40:00 PM UTC"),
        ("zh-Hant", "2026年11月21日 下午6:40:00 UTC"),
        ("zh-Hans", "2026年11月21日 18:40:00 UTC"),
        ("uk", "21 лист. 2026 р., 18:40:00 UTC"),
    ],
)
def test_a_time_is_written_as_in_the_language(tag: str, moment: str) -> None:
    assert " ".join(language(tag).moment(NOW).split()) == moment


@pytest.mark.parametrize("kept", ["2026-11-21T18:40:00+00:00", "2026-11-21 18:40:00 UTC"])
def test_a_moment_in_a_sentence_is_written_so_too(kept: str) -> None:
    params = {"address": "192.0.2.7", "moment": kept}
    told = of_code("submitter.banned_until", params, Said("", ""), language("uk")).sentence
    assert language("uk").moment(NOW) in told


@pytest.mark.parametrize(
    ("seconds", "span"),
    [
        (60, "1 minute"),
        (5400, "90 minutes"),
        (36 * 3600, "36 hours"),
        (7 * 86400, "7 days"),
        (40 * 86400, "40 days"),
        (5025.3, "1 hour"),
        (7, "7 seconds"),
    ],
)
def test_a_span_that_was_chosen_is_told_as_it_is_and_any_other_about(seconds: float, span: str) -> None:
    assert language("en").lasts(seconds) == span


@pytest.mark.parametrize(
    ("count", "size"), [(0, "0 kB"), (1, "0.1 kB"), (999, "1 kB"), (36_700_000, "36.7 MB"), (3_000_000_000, "3 GB")]
)
def test_sizes_are_written_in_a_unit_that_suits_them(count: int, size: str) -> None:
    assert language("en").size(count) == size


@pytest.mark.parametrize(
    ("count", "form"),
    [(1, "1 вхід відхилено"), (3, "3 входи відхилено"), (5, "5 входів відхилено"), (21, "21 вхід відхилено")],
)
def test_ukrainian_counts_with_three_forms(count: int, form: str) -> None:
    ukrainian = language("uk")
    assert ukrainian.say_many("%(count)s sign-in was refused", "%(count)s sign-ins were refused", count) == form


def test_new_texts_are_added_empty_old_ones_go_and_what_was_translated_stays(tmp_path: Path) -> None:
    before = Catalog("uk")
    before.add("Sign in", "Увійти")
    before.add("Gone", "Зникло")
    found = Catalog()
    for text in ("Sign in", "Sign out", ("one", "many")):
        found.add(text, locations=[("templates/base.html", 0)])

    made = tools.merged(found, before, "uk")

    assert said(made) == {"Sign in": ("Увійти",), "Sign out": ("",), ("one", "many"): ("", "", "")}
    assert [text.id for text in tools.open_texts(made)] == ["Sign out", ("one", "many")]
    tools.save(made, "uk", tmp_path)
    assert said(tools.translations("uk", tmp_path)) == said(made)


def test_writing_anew_what_did_not_change_changes_nothing(tmp_path: Path) -> None:
    found, (po, mo) = tools.texts(), tools.files("uk", tmp_path)
    tools.save(tools.merged(found, tools.translations("uk"), "uk"), "uk", tmp_path)
    written = (po.read_bytes(), mo.read_bytes())
    tools.save(tools.merged(found, tools.translations("uk", tmp_path), "uk"), "uk", tmp_path)
    assert (po.read_bytes(), mo.read_bytes()) == written
    assert not re.search(rb"^#: .*:\d|^.POT-Creation-Date", written[0], re.M), "no line numbers, no dates"


# ---- what is kept in English alone


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("Looked up: it is not in Sent Items.", "Перевірено: у «Надісланих» його немає."),
        (
            "Looked up: its draft has not been sent. Nobody is told: it is a test mail.",
            "Перевірено: його чернетку не надіслано. Нікого не сповіщено: це пробний лист.",
        ),
        (
            "2026-11-21T18:40:00+00:00: rejected by the key crm: wrong. Very wrong.",
            "21 лист. 2026 р., 18:40:00 UTC: відхилено (ключ crm): wrong. Very wrong.",
        ),
        (
            "It could not be looked for in the mailbox: DNS does not know graph.example: no such name.",
            "Пошукати його в скриньці не вдалося: DNS не знає graph.example: no such name.",
        ),
        ("yesterday: approved by Bob.", "yesterday: схвалено (Bob)."),
        (
            "Taken out of the header, as it is not in the envelope: {by}",
            "Прибрано із заголовка, бо немає на конверті: {by}",
        ),
        ("The toner is empty.", "The toner is empty."),
        ("", ""),
    ],
)
def test_what_is_kept_in_english_is_read_back_and_said_in_the_language(kept: str, said: str) -> None:
    assert " ".join(of_text(kept, language("uk")).split()) == said
    assert of_text(kept, language("en")) == kept


def test_every_sentence_is_read_back_with_its_values() -> None:
    entries = [*catalogue.entries().values(), *catalogue.findings().values()]
    texts = [text for entry in entries if entry.translated for text in (entry.sentence, entry.cure)]
    for text in (*texts, *catalogue.of_microsoft()):
        values = {name: f"<{name}>" for name in fields(text)}
        assert values_in(text, text.format_map(values)) == values, text


@pytest.mark.parametrize(
    "words",
    [
        " is not " * 1000,
        "Looked up: it is not in Sent Items. " * 250,
        "Taken out of the header, as it is not in the envelope: " * 150,
        "Taken out of the header, as it is not in the envelope: " * 5000,
    ],
)
def test_a_text_that_a_stranger_wrote_takes_no_time_and_harms_nothing(words: str) -> None:
    began = time.process_time()
    said = of_text(f"Taken out of the header, as it is not in the envelope: {words}", language("uk"))
    assert time.process_time() - began < 1
    assert said.strip().endswith(words.strip()[-30:])


def test_a_value_that_was_not_told_alone_is_taken_from_the_english_sentence() -> None:
    kept = Said(
        "carol@contoso.example signed in, but the mailbox a@x.example waits for b@x.example. Nothing was changed.", ""
    )
    said = of_code("sign_in.wrong_account", {}, kept, language("uk")).sentence
    assert said == "Увійшов carol@contoso.example, але скринька a@x.example чекає на b@x.example. Нічого не змінено."


# ---- the pages themselves

IN_UKRAINIAN = (
    *("/", "/outbox", "/outbox/{id}", "/outbox/{id}/mail", "/outbox/0000000000000000", "/compose", "/start"),
    *(
        "/mailboxes",
        f"/mailboxes/{BOX}",
        f"/mailboxes/{BOX}/test",
        "/mailboxes/:new",
        "/mailboxes/nobody@contoso.example",
    ),
    *("/apps", "/apps/contoso", "/apps/contoso/change", "/apps/contoso/credentials/:new", "/apps/:new", "/apps/nobody"),
    *("/submitters", "/submitters/printer", "/submitters/printer/change", "/submitters/:new", "/submitters/nobody"),
    *(
        "/start/device/fax",
        f"/start/mailbox/{BOX}/device",
        "/keys",
        "/keys/:new",
        "/keys/nobody",
        "/links",
        "/links/:new",
    ),
    *("/people", "/people/otto", "/people/nobody", "/account", "/audit", "/settings", "/doctor", "/about", "/nowhere"),
)


async def test_no_page_says_a_sentence_of_the_catalogue_in_english(site: Site) -> None:
    queue_id = await a_message_with_a_past(site)
    await everything_is_refused(site)
    visitor = await site.signed_in(language="uk")
    seen = [await visitor.look(path.format(id=queue_id)) for path in IN_UKRAINIAN]
    for path, action, typed in WRONG:
        await visitor.look(path)
        seen.append(await visitor.fill_in(action, **typed))
        assert seen[-1].status in (404, 409, 422), action
    await visitor.look(f"/mailboxes/{BOX}/test")
    seen += [await visitor.fill_in(f"/{BOX.replace('@', '%40')}/test", exchange="yes"), await the_doctor(visitor)]
    assert {
        page.url: found for page in seen if (found := [one for one in english_of(page) if one not in BY_INTENT])
    } == {}


async def test_what_helps_when_microsoft_refuses_is_said_in_the_readers_language(site: Site) -> None:
    visitor, seed = await site.signed_in(language="uk"), site.house.microsoft.seed
    await visitor.look("/apps/:new")
    ids = {"client_id": seed.gateway.client_id, "tenant_id": seed.tenant.id}
    await visitor.fill_in("/apps", name="other", secret="not-the-right-value-" * 2, **ids)
    seen = await visitor.fill_in("/apps/other/test")
    assert "AADSTS7000215" in seen.text
    assert english_of(seen) == []


def test_that_test_finds_english() -> None:
    page = "<p>Немає: <strong>There is no mailbox a@contoso.example.</strong> <code>Syntax: EHLO hostname</code></p>"
    assert english_of(Seen(200, "", {}, page)) == ["mailbox.not_found: There is no mailbox"]


WRONG: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("/submitters/:new", "/submitters", {"name": "printer", "networks": "nonsense"}),
    ("/submitters/:new", "/submitters", {"name": "fax", "senders": "*@fabrikam.example"}),
    ("/submitters/printer", "/submitters/printer/tokens", {"id": "no name at all"}),
    ("/keys/:new", "/keys", {"name": "no name at all"}),
    ("/mailboxes/:new", "/mailboxes", {"address": "no address", "app": "contoso"}),
    ("/links/:new", "/links", {"app": "contoso", "address": BOX, "return_url": "https://evil.example/"}),
    ("/people/:new", "/people", {"name": "no name at all"}),
    ("/apps/:new", "/apps", {"name": "other", "client_id": "x", "tenant_id": "common", "secret": "x"}),
)
"""Forms that cannot be taken: where one stands, where it goes, what is typed."""
BY_INTENT: set[str] = set()
"""What is said in English on purpose."""
PARAMS = {"moment": "2026-11-22T00:30:00+00:00", "by": "a person", "former": "held", "reason": "not ours"}


async def a_message_with_a_past(site: Site) -> str:
    """Sent, and with every note that a message can have."""
    mime = b"From: scanner@contoso.example\r\nTo: bob@fabrikam.example\r\nSubject: Hello\r\n\r\nHello\r\n"
    queue_id = await site.house.accept(mime, "bob@fabrikam.example")
    await site.house.settled(queue_id)
    for entry in catalogue.entries().values():
        if entry.code.startswith(
            ("look.", "draft.", "route.", "outbox.note_", "mail.divided", "mail.recipient_removed")
        ):
            await site.house.gateway.outbox.add_note(queue_id, entry.sentence.format_map(defaultdict(str, PARAMS)))
    return queue_id


async def the_doctor(visitor: Visitor) -> Seen:
    """What the doctor found."""
    await visitor.look("/doctor")
    seen = await visitor.fill_in("/doctor")
    while "Refresh" in seen.headers:
        seen = await visitor.look("/doctor")
    return seen


async def everything_is_refused(site: Site) -> None:
    """Whatever the SMTP door can refuse, to one that sends, one that never did, and some to a stranger."""
    submitters = site.house.gateway.submitters
    await submitters.add("fax", {"mailboxes": [BOX]})
    for number, entry in enumerate(AT_THE_SMTP_DOOR):
        names = re.findall(r"\{(\w+)\}", entry.sentence + entry.cure)
        error = PillarboxError(entry.code, **{name: f"<{name}>" for name in names})
        for name in ("printer", "fax", *[""] * (number % 5 == 0)):
            submitters.refused(name, "", error, "192.0.2.7")


def english_of(page: Seen) -> list[str]:
    """What a page says in English, each with its code; but for what stands there as code or is marked as English."""
    parser = _Texts()
    parser.feed(re.sub(r"<(script|style).*?</\1>", "", page.html, flags=re.DOTALL))
    text = " ".join(" ".join(parser.found).split())
    entries = [*catalogue.entries().values(), *catalogue.findings().values()]
    texts = [(entry.code, text) for entry in entries for text in (entry.sentence, entry.cure)]
    texts += [("of Microsoft", text) for text in catalogue.of_microsoft()]
    return [f"{code}: {part}" for code, said in texts for part in telling_parts(said) if part in text]


def telling_parts(text: str) -> list[str]:
    """What stands between values and commands, where it is no mere word or two."""
    parts = re.split(r"`[^`]*`|\{\w+\}", text)
    return [part.strip(" -:,.") for part in parts if len(re.findall(r"[^\W\d_]{2,}", part)) >= 3]


def as_told(found: Finding) -> dict[str, Any]:
    """A finding as the API tells it."""
    return FindingOut.of(Told("subject", found)).model_dump()


def ids(found: Catalog) -> set[Any]:
    return {text.id for text in tools.texts_of(found)}


def said(found: Catalog) -> dict[Any, tuple[str, ...]]:
    return {
        tuple(text.id) if text.pluralizable else text.id: tuple(tools.forms(text)) for text in tools.texts_of(found)
    }


def whole(text: Message) -> str:
    """A text in English; of one that counts that for many, which has all values."""
    return text.id if isinstance(text.id, str) else text.id[1]


class _Texts(HTMLParser):
    """The texts of a page, and of the attributes that people read; but for what is a command or English by intent."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._as_it_is: list[str] = []

    def handle_data(self, data: str) -> None:
        if not self._as_it_is:
            self.found += [line.strip(" -:,") for line in data.split("\n") if re.search(r"[^\W\d_]{2}", line)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("code", "pre") or ("lang", "en") in attrs or tag in self._as_it_is:
            self._as_it_is.append(tag)
        for name, value in attrs:
            if name in ("alt", "aria-label", "data-name", "placeholder", "title"):
                self.handle_data(value or "")

    def handle_endtag(self, tag: str) -> None:
        if self._as_it_is and tag == self._as_it_is[-1]:
            self._as_it_is.pop()


def shown(template: str) -> Iterator[str]:
    """What stands in the HTML of a template itself."""
    parser = _Texts()
    parser.feed(re.sub(r"\{% trans.*?endtrans %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "\n", template, flags=re.DOTALL))
    yield from parser.found


def handed_on(template: str) -> Iterator[str]:
    """What an expression of a template says by itself: with a capital letter, or with several words."""
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"])
    # What makers call their settings stays in their own words.
    tree = environment.parse(re.sub(r"\{% set makers = .*?%\}", "", template, flags=re.DOTALL))
    translate = ("_", "gettext", "ngettext")
    calls = [call for call in tree.find_all(nodes.Call) if getattr(call.node, "name", "") in translate]
    translated = {id(given) for call in calls for given in call.find_all(nodes.Const)}
    for given in tree.find_all(nodes.Const):
        text = given.value if isinstance(given.value, str) and id(given) not in translated else ""
        if re.match(r"[A-Z][a-z]+(\s|$)|(?!pillarbox |notice )\w+ \w+", text):
            yield text
