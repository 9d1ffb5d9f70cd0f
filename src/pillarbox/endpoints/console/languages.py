"""The reader's language: which one it is, its translations (gettext), and how it writes numbers and times (Babel).

Translations lie in locales/<language>/LC_MESSAGES/console.po, and compiled beside it (`make languages`). English stands
in the templates, the handlers and the catalogue itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from math import inf
from pathlib import Path
from typing import Final, Literal

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

LOCALES: Final = Path(__file__).parent / "locales"
NAMES: Final[Mapping[str, str]] = {"en": "English", "zh-Hant": "繁體中文", "zh-Hans": "简体中文", "uk": "українська"}
"""Each language by its tag (BCP 47), in its own words."""
DEFAULT: Final = "en"
COOKIE: Final = "pillarbox_language"
"""Holds the language that was chosen."""
_YEAR: Final = 365 * 24 * 3600
_UNITS: Final = ("kilobyte", "megabyte", "gigabyte")
_SPANS: Final[Mapping[Literal["day", "hour", "minute"], int]] = {"day": 24 * 3600, "hour": 3600, "minute": 60}
_TRADITIONAL: Final = ("hant", "tw", "hk", "mo")


def N_(text: str) -> str:  # noqa: N802 - the name that gettext's tools know
    """Marks a text of a handler that is to be translated."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """One of the languages. `tag` is that of BCP 47."""

    tag: str
    locale: Locale
    _translations: NullTranslations

    @property
    def name(self) -> str:
        """In its own words."""
        return NAMES[self.tag]

    @property
    def is_default(self) -> bool:
        """Whether it is the one in which our texts are written."""
        return self.tag == DEFAULT

    def say(self, text: str, /, **values: object) -> str:
        """A sentence in this language; `%(name)s` in it are values, where there are any."""
        said = self.translated(text)
        return said % values if values else said

    def say_many(self, one: str, many: str, count: int, /, **values: object) -> str:
        """The sentence for so many; `%(count)s` in it is the number as this language writes it."""
        return self.translated_many(one, many, count) % {"count": self.number(count), **values}

    def translated(self, text: str) -> str:
        """A text of ours as it was translated; itself where it was not."""
        return self._translations.gettext(text) if text else ""

    def translated_many(self, one: str, many: str, count: int) -> str:
        """The form of a text that this language has for so many."""
        return self._translations.ngettext(one, many, count)

    def number(self, value: float) -> str:
        """A number."""
        return format_decimal(value, locale=self.locale)

    def percent(self, part: float) -> str:
        """A part of 1 in percent."""
        return format_percent(part, locale=self.locale)

    def size(self, count: int) -> str:
        """Bytes, in the largest unit of which it is one; the smallest is the kilobyte, as in mail programs."""
        value, unit = count / 1000, 0
        while value >= 1000 and unit < len(_UNITS) - 1:
            value, unit = value / 1000, unit + 1
        least = 0.1 if count else 0.0
        return format_unit(max(least, round(value, 1)), f"digital-{_UNITS[unit]}", "short", locale=self.locale)

    def moment(self, seconds: float) -> str:
        """A time as its date and hour in UTC; the browser shows its own where scripts run."""
        return f"{format_datetime(datetime.fromtimestamp(seconds, UTC), 'medium', locale=self.locale)} UTC"

    def ago(self, seconds: float) -> str:
        """So many seconds before now, or after it where that is negative."""
        return format_timedelta(timedelta(seconds=-seconds), threshold=1, add_direction=True, locale=self.locale)

    def lasts(self, seconds: float) -> str:
        """A span of time: in the largest unit of which it is a whole number, or else about."""
        for unit, length in _SPANS.items():
            if seconds >= length and seconds % length == 0:
                # No number reaches the threshold, so none larger is taken.
                return format_timedelta(timedelta(seconds=seconds), unit, threshold=inf, locale=self.locale)
        return format_timedelta(timedelta(seconds=seconds), threshold=1, locale=self.locale)


@cache
def language(tag: str) -> Language:
    """A language by its tag: one of NAMES."""
    file = LOCALES / tag.replace("-", "_") / "LC_MESSAGES" / "console.mo"
    translations: NullTranslations = NullTranslations()
    if tag != DEFAULT and file.exists():
        with file.open("rb") as compiled:
            translations = GNUTranslations(compiled)
    return Language(tag, Locale.parse(tag, sep="-"), translations)


def chosen(kept: str, accepted: str) -> Language:
    """The language that was chosen before, or else the first that a browser accepts (RFC 9110 section 12.5.4). Pure."""
    return language(kept if kept in NAMES else next(_understood(accepted), DEFAULT))


def keeping(tag: str) -> str:
    """The Set-Cookie field by which a browser keeps a language that was chosen."""
    return f"{COOKIE}={tag}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"


def _understood(accepted: str) -> Iterator[str]:
    ranges = [_weighed(one) for one in accepted[:1000].split(",") if one.strip()]
    for tag, weight in sorted(ranges, key=lambda one: -one[1]):
        if weight > 0 and (found := _of_tag(tag)):
            yield found


def _weighed(written: str) -> tuple[str, float]:
    tag, _, rest = written.strip().partition(";")
    try:
        return tag.strip().lower(), float(rest.strip().removeprefix("q=")) if rest else 1.0
    except ValueError:
        return tag, 0.0


def _of_tag(tag: str) -> str:
    """Ours that a range of a browser means; empty for none. Pure."""
    first, *rest = tag.split("-")
    if first == "zh":
        # The script counts more than the place: zh-Hans-HK is read in Hong Kong, and simplified.
        return "zh-Hant" if "hans" not in rest and any(part in _TRADITIONAL for part in rest) else "zh-Hans"
    return first if first in ("en", "uk") else ""
