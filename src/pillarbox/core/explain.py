"""What a pasted text says is wrong: the codes of Microsoft's and of ours in it, each with cause, cure and who acts.

The words stand in the catalogue; here they are only found. A text is anything: a log, a stack trace, an HTTP answer, a
page's source, one number. Nothing is parsed as JSON or HTML, so nothing can be too deep or broken; every search takes
time in proportion to the text.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.catalogue import Explanation, Reply
from pillarbox.core.excerpt import excerpt

_NEAR: Final = 2_000
"""Two codes in this many characters speak of the same thing."""
_SHORT: Final = 80
"""A text up to this long is a question about the number in it."""
_REPLY_LENGTH: Final = 800
_MOST_REPLIES: Final = 2_000
_MOST_FINDINGS: Final = 50
"""More would not be read."""
_BARE: Final = 5
"""The rank of half a number, such as `535`."""
_UNKNOWN: Final = "unknown"
"""The kind of a code of Graph's that we know nothing of."""

_QUOTES: Final = r"""["'\\]{0,4}"""
_AADSTS: Final = re.compile(r"aadsts[\s:#-]{0,3}(\d{4,8})(?!\d)")
_NAMED_NUMBERS: Final = re.compile(
    # A postcode is none.
    r"(?<!post)(?<!zip)(?<!zip )(?<!bar)(?:error|code)s?"
    rf"{_QUOTES}\s{{0,4}}(?:number|is|was|eq)?\s{{0,4}}[:=]?\s{{0,4}}[\[(\"']{{0,4}}"
    r"(\d{5,7}(?:,\s{0,4}\d{5,7}){0,20})(?!\d)"
)
_ANY_NUMBER: Final = re.compile(r"(?<![\w.:\[-])(\d{3}|\d{5,7})(?![\w-]|\.\d)")
_NAMED_CODE: Final = re.compile(rf"code{_QUOTES}\s{{0,4}}[:=]\s{{0,4}}{_QUOTES}([a-z_]{{4,60}})(?![a-z_])")
_UNKNOWN_CODE: Final = re.compile(
    rf"error{_QUOTES}\s{{0,9}}[:=]\s{{0,9}}\{{[^{{}}]{{0,300}}?{_QUOTES}code{_QUOTES}\s{{0,9}}[:=]\s{{0,9}}"
    rf"{_QUOTES}([a-z][\w.-]{{2,80}})"
)
"""The code of Graph's envelope for errors, whatever it is."""
_STATUS: Final = re.compile(
    r"(?:http(?:/\d(?:\.\d)?)?|status(?:[ _-]?code)?|error|failed:|received|returned|response)"
    r"[\"'\\]{0,3}\s{0,3}[:=(]?\s{0,3}[\"'(\[]{0,3}([45]\d\d)(?![\w-]|[.:/]\d)(?![ ,'\"b(#]{1,6}[45]\.\d\.\d)"
    r"|(?<![\w.:/-])([45]\d\d)(?=[ )]{1,2}(?:unauthorized|forbidden|bad request|not found|too many requests"
    r"|proxy authentication|bad gateway|service unavailable|gateway time|internal server|client error|server error"
    r"|request entity|payload too|content too|method not|unsupported media|conflict|gone))"
)
_NUMBERED_REPLY: Final = re.compile(
    r"(?<![\d.])([45]\d\d)[ \-,'\"b(#]{1,6}([45]\.\d\.\d{1,3})(?!\d|\.\d)"
    r"|(?:dsn=|status:\s{0,3}|smtp;\s{0,3}|#)([45]\.\d\.\d{1,3})(?!\d|\.\d)"
)
_PLAIN_REPLY: Final = re.compile(
    r"(?:^|[:<>=(]\s{0,3}|code |reply )([45]\d\d)[ -](?="
    r"auth|access|user|login|log in|invalid|incorrect|must|error|message|mail|no |not |recipient|sender|relay|requested"
    r"|service|server|transaction|delivery|denied|rejected|blocked|unable|smtp|temporar|try|too |concurrent|policy)"
    rf"|(?:error|code|reply){_QUOTES}\s{{0,3}}[:=]?\s{{0,3}}([45]\d\d)(?![\w-]|[.:/]\d|[ ,'\"b(#]{{1,6}}[45]\.\d\.\d)",
    re.MULTILINE,
)
_NEXT_WORD: Final = r"\s{1,200}(?:\d{3}[ -](?:[45]\.\d\.\d{1,3}\s{1,9})?)?"
"""What may stand between two words of a reply: a blank, a line's end, the number at the next line's beginning."""
_ASKING: Final = frozenset(
    (
        *("why", "what", "is", "does", "do", "the", "a", "an", "and", "or", "mean", "means", "explain"),
        *("error", "errors", "code", "codes", "status", "number", "http", "smtp", "imap", "graph", "aadsts"),
    )
)
"""Words beside a number that ask what it means."""
_ASKED: Final = re.compile(r"(?:aadsts)?\d{3,8}|[45]\.\d\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a text says is wrong."""

    kind: str
    """aadsts, smtp, imap, graph, pillarbox, oauth or http."""
    code: str
    found: str
    """The line it stands in, fit to be shown (core/excerpt)."""
    meaning: str
    cure: str
    """Empty for some codes of ours that only say how the dialogue went."""
    who: str
    """A key of catalogue.WHO."""
    page: str


@dataclass(frozen=True, slots=True)
class Explained:
    """What a text says is wrong: the most specific first, each once."""

    findings: list[Finding]
    more: int
    """How many codes beyond these the text holds."""


@dataclass(frozen=True, slots=True)
class _Hit:
    rank: int
    """0 is the most specific."""
    start: int
    end: int
    kind: str
    explanation: Explanation
    example: str = ""
    """What stands around it in the catalogue."""


def decode(data: bytes) -> str:
    """Bytes of any encoding as text: what Windows writes (UTF-16, with a mark or without) too. Never raises."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    # Latin letters in UTF-16 have a zero beside each.
    if data[1:200:2].count(0) > len(data[1:200:2]) // 2:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8-sig", "replace")


def explain(text: str) -> list[Finding]:
    """What the codes in a text mean: the 50 most specific. Empty where there is nothing we know."""
    return look(text).findings


def look(text: str) -> Explained:
    """What the codes in a text mean.

    A code that says less than another one beside it (`invalid_client` beside its AADSTS number, the HTTP status beside
    Graph's code) is left out. Never raises.
    """
    # A capital I with a dot is the one letter that gets longer: places in both texts must be the same.
    folded = text.replace("\u0130", "i").lower()
    found: dict[tuple[str, str], _Hit] = {}
    for search in (_entra_numbers, _exchange_replies, _graph_codes, _our_codes, _oauth_words, _http_statuses):
        for hit in search(text, folded):
            found.setdefault((hit.kind, hit.explanation.code), hit)
    hits = sorted(_uncovered(found.values()), key=lambda hit: (hit.rank, hit.start))
    alone = _is_question(folded)
    findings = [_finding(text, hit, alone=alone) for hit in hits[:_MOST_FINDINGS]]
    return Explained(findings, len(hits) - len(findings))


def _finding(text: str, hit: _Hit, *, alone: bool) -> Finding:
    code = f"AADSTS{hit.explanation.code}" if hit.kind == "aadsts" else hit.explanation.code.removeprefix("http_")
    if hit.kind == "http":
        code = f"HTTP {code}"
    known = hit.explanation
    cure = f"{known.alone} {known.remedy}" if alone and known.alone else known.remedy
    found = excerpt(text, hit.start, hit.end, hit.example.partition(" [")[0])
    return Finding(hit.kind, code, found, known.meaning, cure, known.who, known.page)


def _uncovered(found: Iterable[_Hit]) -> Iterator[_Hit]:
    """Those that say something which no other one near says better."""
    hits = sorted(found, key=lambda hit: hit.start)
    starts = [hit.start for hit in hits]
    for hit in hits:
        near = slice(bisect_left(starts, hit.start - _NEAR), bisect_right(starts, hit.start + _NEAR))
        # The numbers of Entra cover and are not covered: of many, each is looked at once.
        if hit.kind == "aadsts" or not any(_covers(other, hit) for other in hits[near]):
            yield hit


def _covers(specific: _Hit, general: _Hit) -> bool:
    """Whether the one says the same as the other, and more."""
    unknown = specific.explanation.kind == _UNKNOWN
    match general.kind:
        case "oauth":
            return specific.kind in ("aadsts", "graph") and not unknown
        case "http" if specific.kind == "smtp":
            # The number is a reply's, and the words behind it explain that.
            is_reply = specific.explanation.code.startswith(str(general.explanation.status))
            return is_reply and 0 <= specific.start - general.start < _SHORT
        case "http":
            refused = general.explanation.status in (400, 401, 403)
            same = specific.explanation.status == general.explanation.status
            return specific.kind in ("aadsts", "graph", "oauth") and not unknown and (refused or same)
        case "smtp" if general.rank == _BARE:
            return specific.kind == "smtp" and specific.explanation.code.startswith(f"{general.explanation.code} ")
        case "graph":
            return general.explanation.kind == _UNKNOWN and specific.kind == "graph" and not unknown
        case "pillarbox":
            return general.explanation.remedy == _beside() and specific.kind in ("aadsts", "graph")
    return False


# ---- Entra ID


def _entra_numbers(_text: str, folded: str) -> Iterator[_Hit]:
    known = catalogue.aadsts()
    for match in _AADSTS.finditer(folded):
        if match[1] in known:
            yield _Hit(0, *match.span(), "aadsts", known[match[1]])
        else:
            yield _Hit(1, *match.span(), "aadsts", _unknown(match[1]))
    patterns = [_NAMED_NUMBERS, *([_ANY_NUMBER] if _is_question(folded) else [])]
    for match in (match for pattern in patterns for match in pattern.finditer(folded)):
        for number in re.findall(r"\d+", match[1]):
            if number in known:
                yield _Hit(0, *match.span(), "aadsts", known[number])


def _unknown(number: str) -> Explanation:
    words = catalogue.entry("microsoft.unexplained")
    page = "docs/how-to/why-401-403-535.md#why-401"
    return Explanation(number, "", words.sentence, words.cure, "admin", page)


def _oauth_words(_text: str, folded: str) -> Iterator[_Hit]:
    for word, known in catalogue.oauth().items():
        for start in _places(folded, word, apart="."):
            yield _Hit(4, start, start + len(word), "oauth", known)
            break


# ---- Graph and HTTP


def _graph_codes(text: str, folded: str) -> Iterator[_Hit]:
    known = _graph_by_small_letters()
    for match in _NAMED_CODE.finditer(folded):
        if match[1] in known:
            yield _graph_hit(match.start(1), known[match[1]])
    if explanation := known.get(folded.strip()):
        yield _graph_hit(folded.index(folded.strip()), explanation)
    for small, explanation in known.items():
        # Words of everyday, such as `locked`, count only where they are called a code.
        if small == explanation.code and "_" not in small:
            continue
        strange = small.startswith("error") or "_" in small
        for start in _places(folded if strange else text, small if strange else explanation.code):
            yield _graph_hit(start, explanation)
            break
    others = {*known, *catalogue.oauth(), *catalogue.entries()}
    for match in _UNKNOWN_CODE.finditer(folded):
        if match[1] not in others and not match[1].startswith("aadsts"):
            yield _Hit(3, *match.span(1), "graph", _unknown_of_graph(text[slice(*match.span(1))]))


def _unknown_of_graph(code: str) -> Explanation:
    words = catalogue.entry("graph.unexplained")
    page = "docs/how-to/why-401-403-535.md#when-something-else-than-microsoft-answers"
    return Explanation(code, _UNKNOWN, words.sentence, words.cure, "operator", page)


def _graph_hit(start: int, explanation: Explanation) -> _Hit:
    rank = 1 if explanation.code.startswith(("Error", "Mailbox")) else 2
    return _Hit(rank, start, start + len(explanation.code), "graph", explanation)


@cache
def _graph_by_small_letters() -> Mapping[str, Explanation]:
    return {code.lower(): known for code, known in catalogue.graph().items() if not code.startswith("http_")}


def _http_statuses(_text: str, folded: str) -> Iterator[_Hit]:
    patterns = (_STATUS, *([_ANY_NUMBER] if _is_question(folded) else []))
    for match in (match for pattern in patterns for match in pattern.finditer(folded)):
        group = match.lastindex or 1
        if known := catalogue.explain_graph(f"http_{match[group]}"):
            yield _Hit(5, *match.span(group), "http", known)


# ---- Exchange Online


def _exchange_replies(_text: str, folded: str) -> Iterator[_Hit]:
    found = list(islice(_numbered(folded), _MOST_REPLIES))
    explained: dict[str, int] = {}
    for place, ((start, end), number) in enumerate(found):
        others = (other for (other, _), its_number in found[place + 1 : place + 20] if its_number != number)
        limit = min(start + _REPLY_LENGTH, next(others, len(folded)))
        said = [
            (match, one)
            for one in catalogue.replies()
            if one.words and (match := _phrase(one).search(folded, start, limit))
        ]
        for match, one in said:
            yield _Hit(0, *match.span(), one.protocol, one.explanation, one.example)
        if said:
            # A reply has several lines, each with the number.
            explained[number] = start + _REPLY_LENGTH
        elif start > explained.get(number, -1):
            if known := _by_number(number):
                rank = 1 if " " in number else _BARE
                yield _Hit(rank, start, end, known.protocol, known.explanation, known.example)
            # `#4.2.1` alone may be anything.
            elif "." in number and folded[max(0, start - 1) : start] != "#":
                yield _Hit(2, start, end, "smtp", _unknown_reply(number))
    # Words are enough: a client may have left the number out.
    for one in catalogue.replies():
        if one.words and one.words.split()[0].lower() in folded and (hit := _phrase(one).search(folded)):
            yield _Hit(0, *hit.span(), one.protocol, one.explanation, one.example)


def _numbered(folded: str) -> Iterator[tuple[tuple[int, int], str]]:
    """The numbers of SMTP replies in a text, where they stand and in order."""
    found: dict[int, tuple[int, str]] = {}
    for match in islice(_NUMBERED_REPLY.finditer(folded), _MOST_REPLIES):
        number = " ".join(filter(None, match.groups()))
        found[match.start(1 if match[1] else 3)] = match.end(), number
    plain = (_PLAIN_REPLY, *([_ANY_NUMBER] if _is_question(folded) else []))
    for match in (match for pattern in plain for match in islice(pattern.finditer(folded), _MOST_REPLIES)):
        group = match.lastindex or 1
        found.setdefault(match.start(group), (match.end(group), match[group]))
    if re.fullmatch(r"[45]\.\d\.\d{1,3}", alone := folded.strip()):
        start = folded.index(alone)
        found[start] = start + len(alone), alone
    yield from (((start, end), number) for start, (end, number) in sorted(found.items()))


@cache
def _by_number(number: str) -> Reply | None:
    """The reply of a number whose words are not known: `535 5.7.139`, `5.7.139` or `535`."""
    status, _, enhanced = number.rpartition(" ")
    wide = f"{status} {enhanced[:-2]}xx" if len(enhanced) == 7 else number
    without_words = [one for one in catalogue.replies() if one.protocol == "smtp"][::-1]
    for wanted in (number, wide, status):
        same = [one for one in without_words if wanted in (one.reply, one.reply.rpartition(" ")[2])]
        if same and (not same[0].words or len(same) == 1):
            return same[0]
    if catalogue.explain_graph(f"http_{number}"):
        return None
    return next((one for one in without_words if one.reply.startswith(number + " ")), None)


def _unknown_reply(number: str) -> Explanation:
    """What the class of a number tells: 4 passes, 5 stays (RFC 3463, section 3.1)."""
    kind = f"{number[0]}xx {number[0]}.x.x"
    return replace(next(one.explanation for one in catalogue.replies() if one.reply == kind), code=number)


@cache
def _phrase(reply: Reply) -> "re.Pattern[str]":
    words = _NEXT_WORD.join(map(re.escape, reply.words.lower().split()))
    # Exchange names a thing by itself or as the class of its exception: SendAsDenied, SendAsDeniedException.
    return re.compile(rf"(?<!\w){words}(?:exception)?(?!\w)")


# ---- Pillarbox


def _our_codes(_text: str, folded: str) -> Iterator[_Hit]:
    for code in catalogue.entries():
        if "." not in code and folded.strip() != code:
            continue
        for start in _places(folded, code, apart=".-/@"):
            yield _Hit(3, start, start + len(code), "pillarbox", _ours(code))
            break


@cache
def _ours(code: str) -> Explanation:
    entry = catalogue.entry(code)
    sentence, cure = (re.sub(r"\{\w+[^}]*\}", "…", template) for template in (entry.sentence, entry.cure))
    who = "developer" if code.partition(".")[0] in ("smtp", "mail") else "operator"
    page = "docs/reference/errors.md"
    return Explanation(code, "", sentence, _beside() if cure == "…" else cure, who, page, entry.http)


def _beside() -> str:
    """The cure of a code whose cure is Microsoft's code's."""
    return catalogue.entry("explain.beside").cure


# ---- words


def _is_question(folded: str) -> bool:
    """Whether a text is codes and numbers alone (`why 401?`): in a sentence a bare number can be anything."""
    if len(folded.strip()) > _SHORT:
        return False
    words = (word.strip("'\"().:#") for word in re.split(r"[\s,;?!]+", folded))
    return all(not word or word in _ASKING or word in _known_words() or _ASKED.fullmatch(word) for word in words)


@cache
def _known_words() -> frozenset[str]:
    return frozenset((*catalogue.oauth(), *_graph_by_small_letters(), *catalogue.entries()))


def _places(text: str, word: str, apart: str = "") -> Iterator[int]:
    """Where a word stands by itself; `apart` are signs that bind it to what is beside it."""
    start = text.find(word)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(word) : start + len(word) + 2]
        bound = after[:1].isalnum() or after[:1] == "_" or (after[:1] in apart and after[1:].isalnum())
        if not (before.isalnum() or before == "_" or (before and before in apart) or (after and bound)):
            yield start
        start = text.find(word, start + len(word))
