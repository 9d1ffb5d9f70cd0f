"""HTML by functions: whatever is not markup already is escaped, so that no page can forget it."""

from html import escape

VOID = ("input", "meta")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str | bool | None) -> Html:
    """An element around `inside`; plain text in it is escaped.

    `class_` and `for_` are written without their underscore, other underscores become dashes. An attribute that is True
    stands alone, False and None leave it out.
    """
    written = "".join(_attribute(each.rstrip("_").replace("_", "-"), value) for each, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*inside)}</{name}>")


def join(*parts: str) -> Html:
    """The parts one after the other; plain text is escaped."""
    return Html("".join(each if isinstance(each, Html) else escape(each) for each in parts))


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
