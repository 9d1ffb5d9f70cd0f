"""The guides in four languages say the same: as many headings, steps and rows, the same commands, links and names."""

import re
from collections import Counter
from pathlib import Path

import pytest

from pillarbox.core import catalogue
from pillarbox.core.clouds import CLOUDS, Cloud
from tests.unit.core.test_catalogue import rows

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
INDEX = HOW_TO.parent / "README.md"
GUIDES = ("app-registration-send-only", "app-registration-users-connect")
LANGUAGES = {"": "English", ".zh-Hant": "繁體中文", ".zh-Hans": "简体中文", ".uk": "українська"}
IN_ENGLISH = ("certificates", "federated-credentials", "national-clouds", "limit-an-app-to-some-mailboxes")
WITH_CODES = (*GUIDES, *IN_ENGLISH, "first-real-mail", "why-401-403-535")
NAME_OF_SECRET = {".zh-Hant": "用戶端密碼", ".zh-Hans": "客户端密码"}
OTHER_NAME_OF_SECRET = {".zh-Hant": "用戶端祕密", ".zh-Hans": "客户端机密"}
MARKS = {".zh-Hant": "（英文）", ".zh-Hans": "（英文）", ".uk": "(англійською)"}
"""What stands behind a link to a page that is there in English only."""

FENCE = re.compile(r"^```\w*\n.*?^```$", re.M | re.S)
SPAN = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
BRACKETS = re.compile(r"[(（][^()（）]*[)）]")
HAN = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")
CYRILLIC = re.compile(r"[\u0400-\u04ff]")

ENCODINGS = {".zh-Hant": "big5", ".zh-Hans": "gb2312"}
"""Each of these old encodings knows the characters of one script alone."""
FOREIGN = {
    ".zh-Hant": ("郵箱", "租戶", "令牌", "服務器", "默認", "軟件", "客戶端", "重定向", "賬戶", "屏幕"),
    ".zh-Hans": ("信箱", "租用户", "权杖", "伺服器", "预设", "软体", "用户端", "重新导向", "萤幕"),
}
"""Words of the other side of the strait, which somebody who only converts characters leaves behind."""


def read(guide: str, language: str = "") -> str:
    return (HOW_TO / f"{guide}{language}.md").read_text("utf-8")


def prose(text: str) -> str:
    """What is written for people: no code, no addresses, nothing in brackets, where names in another language stand."""
    return BRACKETS.sub("", LINK.sub(r"\1", SPAN.sub("", FENCE.sub("", text))))


def outline(text: str) -> list[tuple[int, ...]]:
    """Of each section its level, and how many steps, points, rows of tables and blocks of code it has."""
    signs = (r"^\d+\. ", r"^- ", r"^\|", r"^```")
    sections = re.split(r"^(?=#+ )", FENCE.sub("```", text), flags=re.M)[1:]
    return [
        (len(section) - len(section.lstrip("#")), *(len(re.findall(sign, section, re.M)) for sign in signs))
        for section in sections
    ]


def links(text: str) -> Counter[str]:
    """Where the links lead; one to a translation counts as one to the guide."""
    suffixes = "|".join(re.escape(language) for language in LANGUAGES if language)
    return Counter(re.sub(rf"(?:{suffixes})(?=\.md)", "", target) for _, target in LINK.findall(text))


def menus(english: str) -> set[str]:
    """The names of the portal's menus, on a page with one line."""
    return set(re.findall(r"\*\*([A-Z][\w &,()-]+)\*\*", english)) - {"English"}


def differences(text: str, english: str) -> set[str]:
    """In what a translation is not the English page."""
    line, english_line = (re.sub(r"\s+", " ", each) for each in (text, english))
    same = {
        "outline": outline(text) == outline(english),
        "commands": FENCE.findall(text) == FENCE.findall(english),
        "names in code": Counter(SPAN.findall(FENCE.sub("", text))) == Counter(SPAN.findall(FENCE.sub("", english))),
        "links": links(text) == links(english),
        "menus of the English portal": all(menu in line for menu in menus(english_line)),
    }
    return {what for what, is_same in same.items() if not is_same}


def missing(text: str, encoding: str) -> set[str]:
    """The Chinese characters that this encoding has not got."""
    return {sign for sign in HAN.findall(text) if not sign.encode(encoding, "ignore")}


guides = pytest.mark.parametrize("guide", GUIDES)
translated = pytest.mark.parametrize("language", [language for language in LANGUAGES if language])
everywhere = pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language or "en")
chinese = pytest.mark.parametrize("language", ENCODINGS)


@guides
@translated
def test_a_translation_says_what_the_english_page_says(guide: str, language: str) -> None:
    assert differences(read(guide, language), read(guide)) == set()


@translated
@pytest.mark.parametrize(
    ("was", "becomes", "seen"),
    [
        ("\n2. ", "\n", "outline"),
        ("\n## 4. ", "\n### 4. ", "outline"),
        ("--device-code\n", "--device\n", "commands"),
        ("`AADSTS7000218`", "`AADSTS7000216`", "names in code"),
        ("](national-clouds.md)", "](certificates.md)", "links"),
        ("Mobile and desktop applications", "…", "menus of the English portal"),
    ],
)
def test_a_difference_is_seen(language: str, was: str, becomes: str, seen: str) -> None:
    text = re.sub(r"(?<=\w) *\n(?=\w)", " ", read(GUIDES[1], language))
    assert was in text
    assert seen in differences(text.replace(was, becomes, 1), read(GUIDES[1]))


@guides
@everywhere
def test_a_guide_leads_to_the_other_languages(guide: str, language: str) -> None:
    text = read(guide, language)
    assert f"**{LANGUAGES[language]}**" in text
    assert all(f"[{name}]({guide}{other}.md)" in text for other, name in LANGUAGES.items() if other != language)


@guides
@everywhere
def test_a_guide_leads_to_the_other_guide_in_its_own_language(guide: str, language: str) -> None:
    (other,) = set(GUIDES) - {guide}
    assert f"({other}{language}.md)" in read(guide, language)


@guides
@translated
def test_a_link_to_a_page_in_english_says_so(guide: str, language: str) -> None:
    found = re.findall(r"\[[^\]]*\]\(([\w./-]+\.md)(?:#[\w-]+)?\)(\s*\S*)", read(guide, language))
    abroad = [(target, behind.strip()) for target, behind in found if not target.startswith("app-registration-")]
    assert abroad
    assert [target for target, behind in abroad if not behind.startswith(MARKS[language])] == []


@guides
@chinese
def test_brackets_do_not_stand_in_brackets(guide: str, language: str) -> None:
    assert re.findall(r"（[^）]*（", read(guide, language)) == []


@guides
@chinese
def test_a_client_secret_has_one_name(guide: str, language: str) -> None:
    text = read(guide, language)
    # The other name is told at most once, for readers of other pages.
    assert text.count(OTHER_NAME_OF_SECRET[language]) <= 1
    assert text.count(NAME_OF_SECRET[language]) > 1


@guides
def test_the_ukrainian_page_is_ukrainian(guide: str) -> None:
    text = prose(read(guide, ".uk"))
    assert len(CYRILLIC.findall(text)) > 2 * len(LATIN.findall(text))
    assert set(text) >= set("іїє")
    assert set(text.lower()).isdisjoint("ыэъё")


@guides
@chinese
def test_a_chinese_page_is_in_its_own_script(guide: str, language: str) -> None:
    text = re.sub("繁體中文|简体中文", "", read(guide, language))
    assert len(HAN.findall(prose(text))) > len(LATIN.findall(prose(text)))
    assert missing(text, ENCODINGS[language]) == set()
    assert all(len(missing(text, other)) > 50 for name, other in ENCODINGS.items() if name != language)


@guides
@chinese
def test_a_chinese_page_has_the_words_of_its_readers(guide: str, language: str) -> None:
    assert [word for word in FOREIGN[language] if word in read(guide, language)] == []


@guides
@chinese
def test_a_chinese_page_has_chinese_punctuation(guide: str, language: str) -> None:
    assert re.findall(r".?[\u4e00-\u9fff][,:;?!].?", read(guide, language)) == []


def test_the_index_leads_to_every_page_in_every_language() -> None:
    targets = {target for _, target in LINK.findall(INDEX.read_text("utf-8"))}
    wanted = {f"how-to/{guide}{language}.md" for guide in GUIDES for language in LANGUAGES}
    assert wanted | {f"how-to/{page}.md" for page in IN_ENGLISH} <= targets


def what_if(guide: str) -> list[str]:
    """What people read when something is wrong: the first column of the last table."""
    return re.findall(r"^\| (.*?) \|", read(guide).partition("## What if")[2], re.M)[1:]


@guides
def test_a_guide_quotes_what_pillarbox_says(guide: str) -> None:
    sentences = [entry.sentence for entry in catalogue.entries().values()]
    quoted = [words for cell in what_if(guide) if "AADSTS" not in cell for words in re.findall(r"\*(.+?)\*", cell)]
    assert quoted
    for words in quoted:
        pattern = ".+".join(re.escape(part.strip()) for part in words.split("..."))
        assert any(re.search(pattern, sentence) for sentence in sentences), words


@pytest.mark.parametrize("page", WITH_CODES)
def test_a_page_names_codes_that_pillarbox_explains(page: str) -> None:
    known = {row["code"] for row in rows("aadsts.csv")}
    assert set(re.findall(r"AADSTS(\d+)", read(page))) <= known


def hosts(cloud: Cloud) -> list[str]:
    """The column of a cloud, from the top."""
    urls = (cloud.authority_url, cloud.graph_url, cloud.exchange_url, cloud.outlook_url)
    return [*(url.removeprefix("https://") for url in urls), cloud.smtp_host, cloud.imap_host]


def test_the_page_of_the_national_clouds_has_the_addresses_that_are_used() -> None:
    table = re.findall(r"^\| .*", read("national-clouds").partition("## Addresses")[2], re.M)
    columns = zip(*([cell.strip(" *") for cell in row.split("|")[2:-1]] for row in table), strict=True)
    assert {name: named for name, *named in columns} == {name: hosts(cloud) for name, cloud in CLOUDS.items()}
