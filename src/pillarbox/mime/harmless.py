"""HTML of a mail so that it can be shown: nothing of it runs, and nothing that it names is loaded from elsewhere.

Runs in the limited process of `worker.py`: parsing what strangers write may cost much, or fail hard.
"""

import html as html_text
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import nh3

_TAGS: Final = (nh3.ALLOWED_TAGS - {"area", "map"}) | {"font", "tfoot"}
_STYLES: Final = frozenset(
    (
        *("color", "background-color", "font-family", "font-size", "font-style", "font-weight", "line-height"),
        *("text-align", "text-decoration", "text-indent", "vertical-align", "white-space", "width", "max-width"),
        *("height", "border", "border-collapse", "border-color", "border-style", "border-width", "border-spacing"),
        *("margin", "margin-top", "margin-right", "margin-bottom", "margin-left", "list-style-type", "direction"),
        *("padding", "padding-top", "padding-right", "padding-bottom", "padding-left"),
    )
)
"""What loads nothing, and moves nothing over something else."""
_ATTRIBUTES: Final = {
    **nh3.ALLOWED_ATTRIBUTES,
    "*": {"style", "dir", "lang", "title", "align", "valign", "bgcolor", "width", "height"},
    "a": {"href"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing"},
}
_MOST_SHOWN: Final = 4 * 1024 * 1024
"""Characters of all pictures: one may be shown many times."""
_LINKS: Final = ("http:", "https:", "mailto:")
_DEEPEST: Final = 1000
"""Elements within each other, beyond which what the parser does grows with their square. Browsers stop at 512."""
_TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)[^<>]*>?", re.IGNORECASE)
_NO_END: Final = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
        *("body", "dd", "dt", "head", "html", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"),
    )
)
"""What has no end tag, or need not have one: there are many of them beside each other, and few within."""


@dataclass(frozen=True, slots=True)
class Harmless:
    """The HTML, and how many pictures of other places were left out.

    Of HTML that is nested too deep it is the text alone.
    """

    html: str
    left_out: int


def harmless(html: str, pictures: Mapping[str, str]) -> Harmless:
    """Make it so. `pictures` are `data:` URLs of those that came with the mail, by their Content-ID."""
    if _depth(html) > _DEEPEST:
        return Harmless(f"<pre>{_text(html)}</pre>", 0)
    left_out = 0
    room = _MOST_SHOWN

    def kept(tag: str, name: str, value: str) -> str | None:
        nonlocal left_out, room
        if (tag, name) == ("img", "src"):
            picture = pictures.get(value[4:]) if value[:4].lower() == "cid:" else None
            if picture is None or len(picture) > room:
                left_out += 1
                return None
            room -= len(picture)
            return picture
        if name == "href":
            return value if value.strip().lower().startswith(_LINKS) else None
        return None if name in ("src", "cite") else value

    shown = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=kept,
        url_schemes={"http", "https", "mailto", "cid", "data"},
        filter_style_properties=set(_STYLES),
        link_rel="noreferrer noopener",
        # A key pressed on a link would lead the frame away from the mail, and browsers look for its host before that.
        set_tag_attribute_values={"a": {"tabindex": "-1"}},
    )
    return Harmless(shown, left_out)


def _depth(html: str) -> int:
    """How deep elements are nested, by their tags alone: whoever gets round it meets the limits of the process."""
    still_open = Counter[str]()
    now = deepest = 0
    for end, name in ((end, name.lower()) for end, name in _TAG.findall(html)):
        if name in _NO_END:
            continue
        if not end:
            still_open[name] += 1
            now += 1
            deepest = max(deepest, now)
        elif still_open[name]:
            still_open[name] -= 1
            now -= 1
    return deepest


def _text(html: str) -> str:
    return html_text.escape(html_text.unescape(_TAG.sub("", html)))
