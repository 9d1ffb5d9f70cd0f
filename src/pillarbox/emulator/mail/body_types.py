"""A mail's body in the form that the client prefers (`outlook.body-content-type`): HTML to text and back, simply."""

import html
import re

_PIECE = re.compile(r"<!--|-->|<([^<>]*)>|(?:(?!-->)[^<])+|<")
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9]*")
COMMENT = "<!--"
HIDDEN = frozenset(("head", "script", "style", "title"))
"""Elements whose content nobody reads."""
BREAKS = frozenset(("br", "/p", "/div", "/tr", "/li", "/h1", "/h2", "/h3", "/table", "/ul", "/ol", "/blockquote"))
"""Tags after which a line ends."""


def as_text(markup: str) -> str:
    """The text of HTML, in one pass however broken it is: tags go, some of them end lines."""
    kept: list[str] = []
    waiting_for = ""
    for piece in _PIECE.finditer(markup):
        tag = piece[1]
        if waiting_for:
            ended = piece[0].endswith("-->") if waiting_for == COMMENT else _name(tag or "") == waiting_for
            waiting_for = "" if ended else waiting_for
        elif piece[0] == COMMENT:
            waiting_for = COMMENT
        elif tag is None:
            kept.append(html.unescape(piece[0]))
        else:
            name = _name(tag)
            waiting_for = f"/{name}" if name in HIDDEN else ""
            kept.append("\r\n" if name in BREAKS else "")
    return "".join(kept).strip("\r\n ") + "\r\n"


def as_html(text: str) -> str:
    """A text as the HTML that shows it."""
    lines = html.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>\r\n")
    head = '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head>'
    return f'{head}<body>\r\n<div class="PlainText">{lines}</div>\r\n</body></html>'


def converted(body: dict[str, str], wanted: str) -> dict[str, str]:
    """A Graph itemBody in the wanted content type, `text` or `html`; as it is if that is neither."""
    if wanted in ("", body["contentType"]):
        return body
    convert = as_text if wanted == "text" else as_html
    return {"contentType": wanted, "content": convert(body["content"])}


def _name(tag: str) -> str:
    found = _NAME.match(tag)
    return found[0].lower() if found else ""
