"""What a case saw: written down as a snapshot when a tenant answered, compared with it when the emulator did."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.contract.microsoft.clouds import NATIONAL
from tests.contract.microsoft.redaction import Redaction
from tests.contract.microsoft.web import Reply

KNOWN = Path(__file__).with_name("known_differences.toml")
NOTHING = "(nothing)"
NOT_COMPARED = (
    "*/headers/content-length",
    "*/headers/date",
    "*/headers/connection",
    "*/headers/keep-alive",
    "*/headers/transfer-encoding",
    "*/headers/content-encoding",
    "*/headers/vary",
    "*/headers/server",
    "*/headers/set-cookie",
    "*/headers/strict-transport-security",
    "*/headers/x-content-type-options",
    "*/headers/x-xss-protection",
    "*/headers/p3p",
    "*/headers/nel",
    "*/headers/report-to",
    "*/headers/content-security-policy*",
    "*/headers/x-ms-ests-server",
    "*/headers/x-ms-srs",
    "*/headers/x-ms-clitelem",
    "*/headers/x-proxy-*",
    "*/headers/x-feserver",
    "*/headers/x-beserver",
    "*/headers/x-calculated*",
    "notes/*",
)
"""What proxies and data centres add, and what differs from hour to hour: written down, never compared."""


@dataclass
class Record:
    """What one case saw, redacted. `truth` is the tenant's snapshot of it, if there is one."""

    name: str
    redaction: Redaction
    assumes: bool
    steps: dict[str, Any] = field(default_factory=dict)

    def answer(self, step: str, reply: Reply) -> None:
        """An HTTP answer: status, headers, and the body's shape."""
        kind = reply.headers.get("Content-Type", "")
        body = self.redaction.value(reply.json) if "json" in kind and reply.body else f"<{len(reply.body) and 'bytes'}>"
        headers = self.redaction.headers(reply.headers)
        self.steps[step] = {"status": reply.status, "headers": headers, "body": body if reply.body else None}

    def lines(self, step: str, lines: Sequence[str]) -> None:
        """Lines of a dialogue that the server said."""
        self.steps[step] = [self.redaction.text(line) for line in lines]

    def finding(self, question: str, found: Any, assumed: Any) -> None:
        """An answer that only a tenant can give; as long as none did, the emulator must answer as we assume."""
        texts = found if isinstance(found, list) else [found]
        kept = [self.redaction.text(each) if isinstance(each, str) else each for each in texts]
        self.steps.setdefault("findings", {})[question] = kept if isinstance(found, list) else kept[0]
        assert not self.assumes or found == assumed, f"{question}: {found!r}, and we assume {assumed!r}"

    def note(self, what: str, value: Any) -> None:
        """Worth knowing, but no two runs agree on it: never compared, and written as it is."""
        self.steps.setdefault("notes", {})[what] = value


@dataclass(frozen=True)
class Difference:
    """One place where the emulator is not as the tenant was."""

    place: str
    tenant: Any
    emulator: Any


def name_of(file: Path, case: str) -> str:
    """The name of a case's snapshot: its file and its test, with what a file's name can hold."""
    return re.sub(r"[^\w-]+", "-", f"{file.stem}--{case}".replace("test_", "")).strip("-")


def stale(folder: Path, cases: set[str]) -> list[str]:
    """Snapshots with which nothing is compared any more.

    Of files that were not collected nobody knows the cases, unless a file is not there at all; a national cloud is a
    case only where CERTIFY_NATIONAL_CLOUDS asks for it.
    """
    collected = {each.partition("--")[0] for each in cases}
    found = {file.stem for file in folder.glob("*.json")} - cases
    found -= {each for each in found if each.endswith(tuple(f"-{cloud.name}" for cloud in NATIONAL))}
    return sorted(each for each in found if (stem := each.partition("--")[0]) in collected or not _is_here(stem))


def _is_here(stem: str) -> bool:
    return Path(__file__).with_name(f"test_{stem}.py").exists()


def write(folder: Path, record: Record) -> None:
    """Keep what a tenant answered."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record.steps, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / f"{record.name}.json").write_text(text + "\n", "utf-8")


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """The snapshot of a case, None if there is none."""
    file = folder / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def differences(snapshot: Mapping[str, Any], steps: Mapping[str, Any]) -> list[Difference]:
    """All places where they differ; what only one of them has counts too."""
    tenant, emulator = dict(_leaves(snapshot)), dict(_leaves(json.loads(json.dumps(steps))))
    found = [
        Difference(place, tenant.get(place, NOTHING), emulator.get(place, NOTHING))
        for place in sorted({*tenant, *emulator})
        if not any(fnmatchcase(place, pattern) for pattern in NOT_COMPARED)
    ]
    return [each for each in found if each.tenant != each.emulator]


def unknown(name: str, found: Sequence[Difference], known: Sequence[Mapping[str, str]]) -> list[Difference]:
    """Those that known_differences.toml does not explain."""
    patterns = [each["place"] for each in known if fnmatchcase(name, each["case"])]
    return [each for each in found if not any(fnmatchcase(each.place, pattern) for pattern in patterns)]


def known_differences(file: Path = KNOWN) -> list[dict[str, str]]:
    """The differences that we know of, each with `case`, `place` and `reason`."""
    return list(tomllib.loads(file.read_text("utf-8")).get("difference", []))


def complaint(name: str, found: Sequence[Difference]) -> str:
    """The differences for people."""
    lines = [f"The emulator answers otherwise than the tenant of {name}.json:"]
    for each in found:
        lines += [f"  {each.place}", f"    tenant    {_shown(each.tenant)}", f"    emulator  {_shown(each.emulator)}"]
    return "\n".join([*lines, "Mend the emulator, or say why not in known_differences.toml."])


def _shown(value: Any) -> str:
    return NOTHING if value is NOTHING else json.dumps(value, ensure_ascii=False)


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | Mapping) and value:
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in pairs:
            yield from _leaves(each, f"{place}/{key}" if place else str(key))
    else:
        yield place, value
