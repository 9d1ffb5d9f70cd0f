"""Values of a From that broke the sender policy once, or might: what is accepted is one address for every reader."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.test_smtp_corpus import unescaped
from tests.unit.delivery.readers import check_readers

CORPUS = Path(__file__).parent / "corpus" / "senders"


def values() -> Iterator[tuple[str, str]]:
    for file in sorted(CORPUS.glob("*.txt")):
        yield from ((file.stem, line) for line in file.read_text("ascii").splitlines())


@pytest.mark.parametrize(("verdict", "line"), list(values()))
def test_senders(verdict: str, line: str) -> None:
    assert check_readers(unescaped(line)) == (verdict == "accepted")
