"""Pages of whoever comes by a link: with the look and the languages of the console, without a session and a menu.

A person who connects a mailbox reads them, on the listener of the service or on the one that a command opens on this
machine. What stands in them may have come from a stranger: it is escaped, and the policy lets nothing run or load.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.endpoints.console.languages import COOKIE, NAMES, Language, chosen
from pillarbox.endpoints.console.words import Said, of_code

FIELD: Final = "language"
"""The parameter of an address that chooses the language, and has the browser keep it."""


def headers(*, form_action: str = "'none'", script: str = "'none'") -> dict[str, str]:
    """Fields of every answer, redirects too: an address with a code in it is told to nobody and kept nowhere."""
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"default-src 'none'; style-src 'self'; img-src 'self'; script-src {script}; "
        f"base-uri 'none'; form-action {form_action}; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types pillarbox",
        # Without a referrer browsers send a form of ours with `Origin: null`, as if it came from elsewhere.
        "Referrer-Policy": "no-referrer" if form_action == "'none'" else "same-origin",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever reads: in a language, at an address with a path (`prefix`) before ours."""

    language: Language
    prefix: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str], cookies: Mapping[str, str], accepted: str, prefix: str = "") -> "Reader":
        """Who reads, in the language that they ask for now, or chose before, or that their browser accepts."""
        return cls(chosen(asked_for(query) or cookies.get(COOKIE, ""), accepted), prefix)

    def page(self, template: str, **values: Any) -> str:
        """A page as HTML; `says` in it gives what a code of the catalogue says in the reader's language."""
        from pillarbox.endpoints.console.templates import templates  # read when the first page is asked for

        return _plain(templates().render_plain(template, self.language, self.prefix, {"says": self._says} | values))

    def _says(self, code: str, params: Mapping[str, Any], sentence: str, cure: str = "") -> Said:
        return of_code(code, params, Said(sentence, cure), self.language)


def asked_for(query: Mapping[str, str]) -> str:
    """The language that an address asks for; empty for none of ours."""
    found = query.get(FIELD, "")
    return found if found in NAMES else ""


def static(path: str) -> tuple[bytes, str] | None:
    """A file that the pages name, and its media type, by its path: for a listener that has no console beside it."""
    from pillarbox.endpoints.console.templates import templates

    *_, folder, version, name = ("", *path.split("/"))
    found = templates().file(version, name) if folder == "static" else None
    return (found[0].read_bytes(), found[1]) if found else None


def _plain(html: str) -> str:
    """Without control characters, and without marks that turn the direction of a text around."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in html)
