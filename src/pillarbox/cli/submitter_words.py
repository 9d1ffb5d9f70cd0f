"""A submitter in words that an administrator understands. Pure; takes what the API says of one."""

from collections.abc import Iterator, Mapping
from typing import Any

from pillarbox.cli import show
from pillarbox.core.headers import address_key


def row(submitter: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a list."""
    return {
        "name": submitter["name"],
        "may_send_as": addresses(submitter),
        "comes_in": list(ways(submitter)),
        "last_used": show.moment(submitter["last_used_at"]) or "never",
        "state": "" if submitter["enabled"] else "disabled",
    }


def addresses(submitter: Mapping[str, Any]) -> list[str]:
    """What it may send as."""
    return [*submitter["senders"], *(f"*@{domain}" for domain in submitter["domains"])]


def ways(submitter: Mapping[str, Any]) -> Iterator[str]:
    """How it comes in, in short."""
    if submitter["has_password"]:
        yield "password"
    if submitter["tokens"]:
        yield f"token {' '.join(submitter['tokens'])}"
    yield from submitter["networks"]
    yield from (f"user {name}" for name in submitter["users"])
    yield from (f"group {name}" for name in submitter["groups"])


def described(submitter: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """All about it: names and values, one a line."""
    yield "Name", submitter["name"]
    yield "State", "enabled" if submitter["enabled"] else "disabled: nobody comes in as this submitter"
    for way in _ways_at_length(submitter):
        yield "Comes in", way
    for sender, mailbox in submitter["senders"].items():
        own = sender == address_key(mailbox)
        yield "Sends as", mailbox if own else f"{sender}, an alias of {mailbox}"
    for domain, way in submitter["domains"].items():
        yield "Sends as", f"every address of {domain}, {_domain_way(way)}"
    yield "From", _from(submitter)
    yield "Sends to", ", ".join(submitter["recipients"]) + " only" if submitter["recipients"] else "everybody"
    yield "Rate", f"at most {submitter['rate']} messages a minute" if submitter["rate"] else "no limit of its own"
    yield (
        "Size",
        f"at most {submitter['max_size']} bytes a message" if submitter["max_size"] else "the listener's limit",
    )
    if submitter["priority"] != "normal":
        yield "Priority", submitter["priority"]
    if submitter["max_age"]:
        yield "Tried for", f"{submitter['max_age']} seconds"
    if submitter["on_broken"] == "tempfail":
        yield "Broken mailbox", "mail is refused for the moment (451) while its mailbox cannot send"
    last = show.moment(submitter["last_used_at"])
    yield "Last used", f"{last} UTC" if last else "never"


def _ways_at_length(submitter: Mapping[str, Any]) -> Iterator[str]:
    if submitter["has_password"]:
        yield "by its name and password"
    for token in submitter["tokens"]:
        yield f"by its name and the token {token}"
    for network in submitter["networks"]:
        yield f"from {network}, without a login"
    for kind in ("user", "group"):
        for name in submitter[f"{kind}s"]:
            yield f"as {kind} {name} of this machine, by sendmail"
    if not any(ways(submitter)):
        yield "not at all: its last token was removed"


def _domain_way(way: Mapping[str, Any]) -> str:
    if way["mailbox"]:
        return f"all from the mailbox {way['mailbox']}"
    return f"each from its own mailbox, by the app registration {way['app']}"


def _from(submitter: Mapping[str, Any]) -> str:
    if submitter["force_from"]:
        return "the mailbox's address is written into it; what stood there goes into Reply-To"
    missing = "added" if submitter["fix_from"] else "refused"
    return f"as the client writes it; a missing one is {missing}"
