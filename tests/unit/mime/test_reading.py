"""A message as a person reads it, and its HTML so that it can be shown."""

from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pillarbox.core.errors import InvalidInput
from pillarbox.mime.harmless import harmless
from pillarbox.mime.reading import MOST_FIELDS, Reading, read
from pillarbox.mime.split import Limits
from pillarbox.mime.split import read as read_apart
from pillarbox.mime.tree import parse
from tests.unit.mime.mails import mail, on_disk, with_pdf

MOST = 10_000
PNG = bytes.fromhex("89504e470d0a1a0a")


def reading(made: EmailMessage | bytes, most: int = MOST) -> Reading:
    raw = made if isinstance(made, bytes) else made.as_bytes()
    return read(raw, parse(raw), most)


def test_header_and_text_are_read_as_a_person_does() -> None:
    made = mail("Grüße\n\nBob")
    del made["Subject"]
    made["Subject"] = "Ä very long subject " * 10
    found = reading(made)
    assert found.text.strip() == "Grüße\n\nBob"
    assert dict(found.fields)["Subject"] == ("Ä very long subject " * 10).strip()
    assert (found.files, found.html.html, found.cut) == ((), "", False)


def test_both_forms_of_a_text_are_read_and_what_is_left_are_files() -> None:
    made = mail("plain")
    made.add_alternative("<p>page</p>", subtype="html")
    made.add_attachment(b"x", maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment("another text", filename="b.txt")
    found = reading(made)
    assert (found.text.strip(), found.html.html.strip()) == ("plain", "<p>page</p>")
    assert [one.part.type for one in found.files] == ["application/pdf", "text/plain"]


def test_what_is_signed_is_read_too() -> None:
    raw = with_pdf(b"x").as_bytes().replace(b"multipart/mixed", b"multipart/signed")
    assert reading(raw).text.strip() == "page 1"
    assert len(reading(raw).files) == 1


def test_a_long_text_is_cut() -> None:
    found = reading(mail("x" * 50 + "\n" + "y" * 50), most=10)
    assert (found.text, found.cut) == ("x" * 10, True)


@pytest.mark.parametrize("charset", [b"klingon", b"utf-8", b"idna", b"utf-16", b"\xff"])
def test_a_text_in_no_known_charset_is_read_as_far_as_it_goes(charset: bytes) -> None:
    raw = b"From: a@x.example\r\nContent-Type: text/plain; charset=%b\r\n\r\nab\xff\xd8\r\n" % charset
    reading(raw).text.encode()


def test_a_header_without_end_is_cut() -> None:
    raw = b"X-A: %b\r\n" % (b"a" * 5000) + b"X-B: =?utf-8?q?=F0=9F=98=80?= \xff\r\n" * (MOST_FIELDS + 9) + b"\r\nx\r\n"
    found = reading(raw)
    assert len(found.fields) == MOST_FIELDS
    assert len(found.fields[0][1]) == 1000
    assert found.fields[1][1].startswith("😀")
    for name, value in found.fields:
        (name + value).encode()


def test_pictures_of_the_mail_stand_in_its_html_and_others_are_counted() -> None:
    made = mail()
    made.add_alternative("<img src='CID:dot'><img src='cid:gone'><img src=//x.example/a.png>", subtype="html")
    list(made.iter_parts())[1].add_related(PNG, maintype="image", subtype="png", cid="<dot>")
    found = reading(made)
    assert found.html.html.count("data:image/png;base64,iVBORw0KGgo=") == 1
    assert found.html.html.count("src=") == 1
    assert found.html.left_out == 2


def test_a_picture_of_a_kind_that_can_do_more_is_not_shown() -> None:
    made = mail()
    made.add_alternative("<img src='cid:dot'>", subtype="html")
    svg = b"<svg onload=alert(1)>"
    list(made.iter_parts())[1].add_related(svg, maintype="image", subtype="svg+xml", cid="<dot>")
    assert reading(made).html.left_out == 1


def test_one_picture_shown_without_end_fills_no_memory() -> None:
    picture = "data:image/png;base64," + "A" * 1_000_000
    found = harmless("<img src=cid:a>" * 1000, {"a": picture})
    assert len(found.html) < 5_000_000
    assert found.left_out > 900


class _Seen(HTMLParser):
    """Tags and attributes of HTML, as a browser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.values: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.values |= {name: (value or "").lower() for name, value in attrs}


VECTORS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><circle></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<a href='file:///etc/passwd'>x</a>",
    "<form action=https://evil.example><button>x</form>",
    "<button formaction=javascript:alert(1)>x",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<p style='background:url(https://evil.example/x)'>x",
    "<p style='background-image:url(https://evil.example/x)'>x",
    "<p style='list-style-image:url(https://evil.example/x)'>x",
    "<p style='position:fixed;top:0;left:0;z-index:9'>x",
    "<p style='behavior:url(x.htc)'>x",
    "<table background=https://evil.example/x><td background=https://evil.example/y>x",
    "<img srcset='https://evil.example/x 1x'>",
    "<img lowsrc=https://evil.example/x dynsrc=https://evil.example/y>",
    "<video src=https://evil.example/x poster=https://evil.example/y autoplay>",
    "<audio src=https://evil.example/x autoplay>",
    "<picture><source srcset=https://evil.example/x></picture>",
    "<blockquote cite=https://evil.example/x>x</blockquote>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'>",
    "<title><img title='</title><img src=x onerror=alert(1)>'></title>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<template><img src=x onerror=alert(1)></template>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
    "<isindex action=javascript:alert(1)>",
    "<marquee onstart=alert(1)>x",
    "<a href=https://ok.example target=_top onclick=alert(1)>x</a>",
]
_HARMFUL = {
    *("script", "svg", "math", "iframe", "object", "embed", "form", "button", "input", "body", "meta", "base", "link"),
    *("style", "video", "audio", "source", "template", "noscript", "textarea", "title", "isindex", "marquee"),
}


@pytest.mark.parametrize("html", VECTORS)
def test_nothing_that_runs_or_loads_is_left(html: str) -> None:
    shown = harmless(html, {}).html
    seen = _Seen(shown)
    assert not seen.tags & _HARMFUL
    assert not {name for name in seen.values if name.startswith("on")}
    assert not seen.values.keys() & {"src", "srcset", "background", "poster", "cite", "action", "formaction", "target"}
    assert seen.values.get("href", "https:").startswith(("https:", "http:", "mailto:"))
    assert "url(" not in seen.values.get("style", "")
    assert "position" not in seen.values.get("style", "")


def test_what_a_mail_looks_like_stays() -> None:
    html = '<table border="1"><tr><td style="color:red" bgcolor="#eee"><font size="2">x</font></td></tr></table>'
    shown = harmless(html, {}).html
    assert "color:red" in shown
    assert 'bgcolor="#eee"' in shown
    assert '<font size="2">' in shown
    assert harmless('<a href="https://ok.example/">x</a>', {}).html.startswith('<a href="https://ok.example/"')


def test_no_key_reaches_a_link() -> None:
    assert 'tabindex="-1"' in harmless('<a href="https://x.example/" tabindex=1 autofocus>x</a>', {}).html


async def test_what_costs_too_much_is_refused(tmp_path: Path) -> None:
    with on_disk(mail().as_bytes(), tmp_path) as file, pytest.raises(InvalidInput) as refused:
        await read_apart(file, MOST, "", tmp_path, Limits(memory=1))
    assert refused.value.code == "mail.not_divided"


async def test_files_are_read_from_where_they_were_put(tmp_path: Path) -> None:
    made = with_pdf(b"first", "a.pdf")
    made.add_attachment(b"second", maintype="application", subtype="zip", filename="b.zip")
    with on_disk(made.as_bytes(), tmp_path) as file:
        divided, told = await read_apart(file, MOST, "", tmp_path)
    assert [divided.read(one, 0, one.size) for one in divided.attachments] == [b"first", b"second"]
    assert told.text.strip() == "page 1"
    divided.close()


@pytest.mark.parametrize("piece", ["<div>", "<ul><li>", "<p><font color={}>", "<div></b>"])
def test_of_html_that_is_nested_without_end_the_text_is_shown(piece: str) -> None:
    # The parser's work grows with the square of the depth: half a megabyte of it takes minutes.
    html = "".join(piece.format(number) for number in range(10_000)) + "5 &lt; 6 <script>alert(1)"
    assert harmless(html, {}).html == "<pre>5 &lt; 6 alert(1)</pre>"


@pytest.mark.parametrize("html", ["<p>x<br>" * 5000, "<table>" + "<tr><td>x" * 5000, "<div>x<b></b></DIV>" * 5000])
def test_html_that_is_long_and_not_deep_stays_as_it_is(html: str) -> None:
    assert not harmless(html, {}).html.startswith("<pre>")
