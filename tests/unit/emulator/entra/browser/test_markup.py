"""HTML that cannot be broken out of."""

import pytest

from pillarbox.emulator.entra.browser.markup import Html, join, tag

EVIL = "<script>\"'&"


def test_text_is_escaped() -> None:
    assert tag("p", EVIL) == "<p>&lt;script&gt;&quot;&#x27;&amp;</p>"
    assert join("<", Html("<br>")) == "&lt;<br>"


def test_attributes_are_escaped() -> None:
    assert tag("input", value=EVIL) == '<input value="&lt;script&gt;&quot;&#x27;&amp;">'


def test_markup_inside_stays() -> None:
    assert tag("p", tag("b", "x"), " y") == "<p><b>x</b> y</p>"


@pytest.mark.parametrize(
    ("value", "written"), [(True, "<p hidden></p>"), (False, "<p></p>"), (None, "<p></p>"), ("", '<p hidden=""></p>')]
)
def test_attribute_may_stand_alone_or_be_left_out(value: str | bool | None, written: str) -> None:
    assert tag("p", hidden=value) == written


def test_names_of_attributes_follow_python() -> None:
    assert tag("label", for_="a", class_="b", aria_label="c") == '<label for="a" class="b" aria-label="c"></label>'
