"""HTML to text and back, for any markup that mails may bring."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.emulator.mail.body_types import as_html, as_text, converted


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain\r\n"),
        ("<p>one</p><p>two</p>", "one\r\ntwo\r\n"),
        ("a<br/>b<BR>c", "a\r\nb\r\nc\r\n"),
        ("1 &lt; 2 &amp; <b>3</b>", "1 < 2 & 3\r\n"),
        ("<head><title>t</title></head><style>p {}</style><script>a<b</script>shown", "shown\r\n"),
        ("<!-- <p>hidden</p> -->shown", "shown\r\n"),
        ("<!--x-->shown", "shown\r\n"),
        ("<![if !lists]>shown<![endif]>", "shown\r\n"),
        ("a < b", "a < b\r\n"),
        ("<style>never ends", "\r\n"),
    ],
)
def test_html_becomes_text(markup: str, text: str) -> None:
    assert as_text(markup) == text


@given(st.text(alphabet="<>/!-pbr &;a'\"=", max_size=60))
def test_any_markup_has_a_text(markup: str) -> None:
    assert as_text(markup).endswith("\r\n")


@pytest.mark.parametrize("piece", ["<", "<style>", "<!--", "&", "<p ", "-->", "<!-- -", "a<"])
def test_a_bomb_takes_linear_time(piece: str) -> None:
    """Eight times as much takes about eight times as long; in the square of it, it would be 64 times."""
    small, large = (min(_seconds(piece * count) for _ in range(3)) for count in (20_000, 160_000))
    assert large < 30 * small


def _seconds(markup: str) -> float:
    """The time of the processor, on which other programs have no part."""
    begun = time.process_time()
    as_text(markup)
    return time.process_time() - begun


@given(st.text(alphabet="ab<>&\n ", max_size=40))
def test_text_comes_back_from_its_html(text: str) -> None:
    assert as_text(as_html(text)).split() == text.split()


@pytest.mark.parametrize("wanted", ["", "text"])
def test_what_is_right_already_stays(wanted: str) -> None:
    body = {"contentType": "text", "content": "<p>"}
    assert converted(body, wanted) is body
