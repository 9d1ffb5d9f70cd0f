"""The process that takes messages apart: what it finds, and that no message costs more than it may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.core.errors import InvalidInput, Unavailable
from pillarbox.mime.split import DEFAULT, Divided, Limits, split
from tests.unit.mime.mails import mail, on_disk, with_pdf

MOST = 3_000_000
BOX = "scanner@contoso.example"


async def divided(raw: bytes, folder: Path, limits: Limits = DEFAULT) -> Divided:
    with on_disk(raw, folder) as file:
        return await split(file, MOST, BOX, folder, limits)


async def test_a_large_file_is_read_from_where_it_was_put(tmp_path: Path) -> None:
    first, second = os.urandom(4_000_000), os.urandom(5_000_000)
    made = with_pdf(first, "a.pdf")
    made.add_attachment(second, maintype="application", subtype="zip", filename="b.zip")
    found = await divided(made.as_bytes(), tmp_path)
    assert [(one.name, one.content_type, one.size) for one in found.attachments] == [
        ("a.pdf", "application/pdf", 4_000_000),
        ("b.zip", "application/zip", 5_000_000),
    ]
    assert [found.read(one, 0, one.size + 9) for one in found.attachments] == [first, second]
    assert b"page 1" in found.rest
    assert len(found.rest) < 1000
    found.close()


async def test_no_file_has_a_name_that_a_crash_could_leave(tmp_path: Path) -> None:
    found = await divided(with_pdf(bytes(4_000_000)).as_bytes(), tmp_path)
    assert not list(tmp_path.iterdir())
    found.close()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (mail("a long line of text\n" * 200_000).as_bytes(), "mail.too_large_text"),
        (
            with_pdf(bytes(3_000_000)).as_bytes().replace(b"multipart/mixed", b"multipart/signed"),
            "mail.too_large_sealed",
        ),
    ],
)
async def test_what_cannot_be_divided_is_refused_with_the_reason(tmp_path: Path, raw: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await divided(raw, tmp_path)
    assert refused.value.code == code
    assert "3000000 bytes" in refused.value.sentence


async def test_a_message_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        await divided(with_pdf(bytes(4_000_000)).as_bytes(), tmp_path, Limits(memory=1024))
    assert "memory" in refused.value.sentence


def test_the_process_can_write_no_larger_file_nor_leave_a_core_dump() -> None:
    words = "import resource as r; from pillarbox.mime.worker import limit; limit(1000, 5, 2**30); "
    words += "print(r.getrlimit(r.RLIMIT_FSIZE)[0], r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NPROC))"
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{1000 + 4 * 1024 * 1024} (0, 0) (0, 0)"


async def test_a_message_that_needs_too_much_cpu_is_refused(tmp_path: Path) -> None:
    level = b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"
    raw = b"".join(level % (n, n) for n in range(100, 149)) + b"\r\n\r\n" + b"\r\n-" * 20_000_000
    with pytest.raises(InvalidInput) as refused:
        await divided(raw, tmp_path, Limits(cpu=1))
    assert "time" in refused.value.sentence


async def test_one_that_never_ends_is_killed_and_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        await divided(with_pdf(bytes(9_000_000)).as_bytes(), tmp_path, Limits(seconds=0.001))
    assert refused.value.code == "mime.unavailable"


async def test_what_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    with on_disk(with_pdf(bytes(4_000_000)).as_bytes(), tmp_path) as file, pytest.raises(Unavailable):
        await split(file, MOST, BOX, tmp_path / "none")
