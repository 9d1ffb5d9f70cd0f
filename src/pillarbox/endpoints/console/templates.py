"""The templates: everything in them is escaped, and nothing in them is missing unseen."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.filters import do_urlencode
from jinja2.runtime import Context
from markupsafe import Markup

import pillarbox
from pillarbox.endpoints.console.calls import segment
from pillarbox.endpoints.console.door import TOKEN
from pillarbox.endpoints.console.languages import NAMES, Language

if TYPE_CHECKING:
    from pillarbox.endpoints.console.page import Page

FOLDER: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Templates:
    """Renders. `static` is where a browser finds the files of static/: the path changes with their content."""

    def __init__(self, folder: Path = FOLDER, static: Path = STATIC) -> None:
        self.version = _digest(static)
        # No path is made of what a stranger asks for.
        self._files = {file.name: file for file in static.iterdir() if file.suffix in _TYPES}
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        )
        self._environment.newstyle_gettext = True  # type: ignore[attr-defined]
        self._environment.filters["address"] = _address
        self._environment.filters["urlencode"] = _encoded
        self._environment.globals.update(
            gettext=_gettext,
            _=_gettext,
            ngettext=_ngettext,
            languages=NAMES,
            version=pillarbox.__version__,
            token_field=TOKEN,
        )

    def file(self, version: str, name: str) -> tuple[Path, str] | None:
        """A file of static/ and its media type, by the last two parts of its path; none if that is not its path."""
        file = self._files.get(name) if version == self.version else None
        return (file, _TYPES[file.suffix]) if file else None

    def render(self, template: str, page: "Page", values: dict[str, Any]) -> str:
        """A page of the console as HTML."""
        about = {
            "page": page,
            "may": page.may,
            "form_token": page.visitor.form_token,
            "once": page.take_once(),
            "live": f"{page.prefix}/live?since={page.at:.3f}",
            "place_of": page.place_of,
            "problem": None,
        }
        return self.render_plain(template, page.language, page.prefix, about | values)

    def render_plain(self, template: str, language: Language, prefix: str, values: dict[str, Any]) -> str:
        """A page as HTML that knows nothing of who asks."""
        return self._environment.get_template(template).render(
            language=language,
            url=lambda path: prefix + path,
            static=lambda name: f"{prefix}/static/{self.version}/{name}",
            number=language.number,
            size=language.size,
            ago=language.ago,
            lasts=language.lasts,
            **values,
        )


@cache
def templates() -> Templates:
    """The templates of all pages: each is read and compiled once."""
    return Templates()


@pass_context
def _gettext(context: Context, text: str, /, **values: object) -> Markup:
    """A sentence of a template, which may hold HTML of ours; its values are escaped."""
    return Markup(context["language"].translated(text)) % values  # noqa: S704 - it stands in our files


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int, /, **values: object) -> Markup:
    """The sentence for so many; numbers in it as the language writes them."""
    language = context["language"]
    written = {name: language.number(value) if isinstance(value, int) else value for name, value in values.items()}
    return Markup(language.translated_many(one, many, count)) % written  # noqa: S704 - it stands in our files


def _encoded(given: str | Mapping[str, object]) -> str:
    """A name as a segment of a path, or a query. Jinja's own filter leaves a slash in a name, which would part it."""
    return segment(given) if isinstance(given, str) else do_urlencode(given)


def _address(text: str | None) -> Markup:
    """An address that parts at its @ where it is too long for a line, and not in the middle of a word."""
    return Markup("@<wbr>").join((text or "").split("@"))


def _digest(folder: Path) -> str:
    told = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        told.update(file.name.encode() + b"\0" + file.read_bytes())
    return told.hexdigest()[:12]
