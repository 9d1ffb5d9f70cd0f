"""The one catalogue: for each code its sentence, its cure, whether to retry, and its number at each door.

`errors.toml` holds our own codes. What Microsoft says is explained by four tables (see the NOTICE beside them for
where they come from): `aadsts.csv` by the numbers of Entra ID, `oauth-errors.csv` by its words, `graph-errors.csv` by
the codes of Graph, `exchange-replies.csv` by the replies of Exchange Online in SMTP and IMAP. SMTP, API, CLI and later
the console, doctor and MCP read from here; there is no second one.
"""

import csv
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

WHO: Final = {
    "admin": "an administrator of the tenant",
    "user": "the person whose mailbox it is",
    "operator": "whoever runs Pillarbox",
    "developer": "the developer of the program that sends",
    "microsoft": "nobody: it is Microsoft's, and passes",
}
"""Who must act: the word in the tables, and how it is said."""
_OF_AN_APP: Final = re.compile(r"(?<=`)(pillarbox app [a-z]+) NAME\b")
"""A command for an app registration."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of ours. `sentence`, `cure` and `reply` are `str.format` templates of the raiser's parameters.

    `reply` is what an SMTP client is told, where people are told more; empty: the sentence.
    `dsn` is the status of RFC 3463 that a bounce tells the sender; the causes of an attempt's end have one.
    `translated` marks what people at the console meet most: it is said in their language there (tools/languages.py).
    """

    code: str
    sentence: str
    cure: str = ""
    reply: str = ""
    retry: bool = False
    smtp: str = "451 4.3.0"
    http: int = 500
    exit: int = 1
    dsn: str = ""
    translated: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code of Microsoft's means, and what a person does about it."""

    code: str
    kind: str
    """Of AADSTS codes: secret, config, consent, user, policy, grant, pending, request, cloud or transient."""
    meaning: str
    """One sentence."""
    remedy: str
    who: str
    """Who must act: a key of WHO."""
    page: str
    """The page of docs/ that says more, with its anchor."""
    status: int = 0
    """The HTTP status it comes with; mostly inferred, so nothing branches on it. 0: none."""
    alone: str = ""
    """What to do first where nothing but the code was given."""
    cause: str = ""
    """Why an attempt ended that came to it (a `Cause`), where its HTTP status does not say so already."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of Exchange Online's that can be explained."""

    protocol: str
    """smtp or imap."""
    reply: str
    """Its number, such as `535 5.7.139`, `451 4.7.5xx` (x: any digits) or `535`; in IMAP NO, BAD or BYE."""
    words: str
    """What it also says, where the number alone does not tell."""
    example: str
    explanation: Explanation
    cause: str = ""
    """What an attempt that ended with it came to: a word of core/cause.py. Empty in IMAP, which sends nothing."""


@cache
def entries() -> Mapping[str, Entry]:
    """All codes of ours, in the order of the file."""
    tables = tomllib.loads(_text("errors.toml"))
    return {code: Entry(code, **fields) for code, fields in tables.items()}


def entry(code: str) -> Entry:
    """The entry of a code. An unknown code is a mistake in our program: KeyError."""
    return entries()[code]


@cache
def findings() -> Mapping[str, Entry]:
    """What a test of an app or mailbox says of a step that is well or left out; a note stands as the cure."""
    tables = tomllib.loads(_text("findings.toml"))
    return {
        code: Entry(code, fields["sentence"], fields.get("note", ""), translated=fields.get("translated", False))
        for code, fields in tables.items()
    }


def sentence(code: str, **params: object) -> str:
    """The sentence of an entry, in English."""
    return entry(code).sentence.format(**params)


def explain_aadsts(code: int | str) -> Explanation | None:
    """What an AADSTS number of Entra ID means, or None when it is not known to us."""
    return aadsts().get(str(code))


def explain_graph(code: str) -> Explanation | None:
    """What an error code of Microsoft Graph means, or None when it is not known to us."""
    return graph().get(code)


@cache
def aadsts() -> Mapping[str, Explanation]:
    """The numbers of Entra ID, as text."""
    return _explanations("aadsts.csv")


@cache
def graph() -> Mapping[str, Explanation]:
    """The codes of Microsoft Graph; `http_403` and the like serve every code that is not known."""
    return _explanations("graph-errors.csv")


@cache
def oauth() -> Mapping[str, Explanation]:
    """The words of OAuth (`error`, `suberror`) that come where no number does."""
    return _explanations("oauth-errors.csv")


@cache
def replies() -> tuple[Reply, ...]:
    """The replies of Exchange Online, those with words before those without."""
    found = (
        Reply(
            row["protocol"],
            row["reply"],
            row["words"],
            row["example"],
            _explanation(_name(row["reply"], row["words"]), row),
            row["cause"],
        )
        for row in _rows("exchange-replies.csv")
    )
    return tuple(sorted(found, key=lambda one: not one.words))


@cache
def of_microsoft() -> tuple[str, ...]:
    """What the four tables say, meanings and remedies, as templates: `{app}` is the app registration in a command."""
    known = [*aadsts().values(), *graph().values(), *oauth().values(), *(one.explanation for one in replies())]
    texts = {text for one in known for text in (one.meaning, one.remedy)}
    return tuple(sorted(naming(text, "{app}") for text in texts))


def naming(text: str, app: str) -> str:
    """A remedy of the tables, which do not know whose app registration it is, with its name in the commands."""
    return _OF_AN_APP.sub(lambda found: f"{found[1]} {app}", text)


def reply_of(line: str) -> Reply:
    """The row that says most of a refusal in SMTP: by its words, else by its whole number, its half, its class."""
    said = line.casefold()
    fitting = [one for one in replies() if one.protocol == "smtp" and _fits(one, said)]
    return max(fitting, key=lambda one: (bool(one.words), sum(map(str.isdigit, one.reply))))


def _fits(one: Reply, said: str) -> bool:
    if one.words:
        # Exchange says the same words with several enhanced codes.
        return one.words.casefold() in said and said.startswith(one.reply[:3])
    if one.reply.startswith(("4xx", "5xx")):
        return said.startswith(one.reply[0])
    return re.match(rf"{one.reply}(?!\d)".replace(".", r"\.").replace("x", r"\d"), said) is not None


def _name(reply: str, words: str) -> str:
    # In IMAP the reply can be the first of the words: `BYE Connection closed`.
    return words if words.startswith(f"{reply} ") else f"{reply} {words}".strip()


def _explanations(file: str) -> Mapping[str, Explanation]:
    return {row["code"]: _explanation(row["code"], row) for row in _rows(file)}


def _explanation(code: str, row: Mapping[str, str]) -> Explanation:
    status = int(row.get("http_status") or 0)
    return Explanation(
        code,
        row.get("class") or "",
        row["meaning"],
        row["remedy"],
        row["who"],
        row["page"],
        status,
        row.get("alone") or "",
        row.get("cause") or "",
    )


def _rows(file: str) -> Iterable[Mapping[str, str]]:
    return csv.DictReader(_text(file).splitlines())


def _text(file: str) -> str:
    return resources.files(__name__).joinpath(file).read_text("utf-8")
