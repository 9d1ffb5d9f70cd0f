"""The one catalogue: for each code its sentence, its cure, whether to retry, and its number at each door.

`errors.toml` holds our own codes; `aadsts.csv` and `graph-errors.csv` hold what Microsoft's codes mean and what to
do about them (see the NOTICE beside them for where they come from). SMTP, API, CLI and later the console, doctor and
MCP read from here; there is no second one.
"""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of ours. `sentence` and `cure` are `str.format` templates of the raiser's parameters."""

    code: str
    sentence: str
    cure: str = ""
    retry: bool = False
    smtp: str = "451 4.3.0"
    http: int = 500
    exit: int = 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code of Microsoft's means, and what a person does about it."""

    code: str
    kind: str
    """Of AADSTS codes: secret, config, consent, user, policy, grant, pending, request, cloud or transient."""
    meaning: str
    remedy: str


@cache
def entries() -> Mapping[str, Entry]:
    """All codes of ours, in the order of the file."""
    tables = tomllib.loads(_text("errors.toml"))
    return {code: Entry(code, **fields) for code, fields in tables.items()}


def entry(code: str) -> Entry:
    """The entry of a code. An unknown code is a mistake in our program: KeyError."""
    return entries()[code]


def sentence(code: str, **params: object) -> str:
    """The sentence of an entry, in English."""
    return entry(code).sentence.format(**params)


def explain_aadsts(code: int | str) -> Explanation | None:
    """What an AADSTS number of Entra ID means, or None when it is not known to us."""
    return _explanations("aadsts.csv").get(str(code))


def explain_graph(code: str) -> Explanation | None:
    """What an error code of Microsoft Graph means, or None when it is not known to us."""
    return _explanations("graph-errors.csv").get(code)


@cache
def _explanations(file: str) -> Mapping[str, Explanation]:
    rows = csv.DictReader(_text(file).splitlines())
    return {
        row["code"]: Explanation(row["code"], row.get("class") or "", row["meaning"], row["remedy"]) for row in rows
    }


def _text(file: str) -> str:
    return resources.files(__name__).joinpath(file).read_text("utf-8")
