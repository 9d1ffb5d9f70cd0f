"""The process that takes one message apart: its limits first, then the message. `split.py` starts it.

Standard input is the message, standard output gets what was found as JSON, the file of the first argument first the
message without its large attachments, or its text alone, and then these, decoded. All three are files; nothing is said
on standard error, as a traceback could show what is in the mail.
"""

import errno
import json
import mmap
import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final, Literal, cast

from pillarbox.mime.conversion import Conversion, convert
from pillarbox.mime.decoding import decoded
from pillarbox.mime.division import Division, NotDivisible, Taken, divide
from pillarbox.mime.naming import media_type, name_of
from pillarbox.mime.tree import Buffer, Part, TooComplex, parse

Task = Literal["divide", "convert", "read"]
"""What is done with a message: parted for an upload, said in Graph's words, or read for a person."""
TOO_COMPLEX: Final = 3
"""Exit code: the message is beyond what is taken apart."""
NO_ROOM: Final = 4
"""Exit code: what was found could not be written."""
BROKEN: Final = 5
"""Exit code: the message is such that nobody can read it."""
_SLACK: Final = 4 * 1024 * 1024
"""Bytes that what is written may have beyond the message."""


def limit(size: int, cpu: int, memory: int) -> None:
    """Seconds of CPU and bytes of memory beside the message's; no further process, no larger file, no core dump."""
    for what, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory + size),
        (resource.RLIMIT_FSIZE, size + _SLACK),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Of the two limits of CPU the lower one is told by SIGXCPU, which nobody else sends.
        resource.setrlimit(what, (most, hard if what == resource.RLIMIT_CPU else most))


def run(source: int, found: int, target: int, most: int, task: Task) -> None:
    """Take the message of the file `source` apart, so that `most` bytes are left. Files are numbers."""
    with mmap.mmap(source, 0, access=mmap.ACCESS_READ) as buffer:
        try:
            root = parse(buffer)
            match task:
                case "divide":
                    answer = _divided(buffer, divide(buffer, root, most), target)
                case "convert":
                    answer = _converted(buffer, convert(buffer, root, most), target)
                case "read":
                    answer = _read(buffer, root, most, target)
        except NotDivisible as error:
            answer = {"reason": error.reason}
    _write(found, json.dumps(answer).encode())


def _divided(buffer: Buffer, division: Division, target: int) -> dict[str, Any]:
    rest = sum(_write(target, piece) for piece in division.rest)
    return {"rest": rest, "attachments": _files(buffer, division.taken, target)}


def _converted(buffer: Buffer, conversion: Conversion, target: int) -> dict[str, Any]:
    rest = _write(target, conversion.text)
    files = _files(buffer, conversion.files, target)
    return {"rest": rest, "attachments": files, "words": asdict(conversion.words)}


def _read(buffer: Buffer, root: Part, most: int, target: int) -> dict[str, Any]:
    # Whoever reads brings the libraries for it; sending needs none of them.
    from pillarbox.mime.reading import read

    found = read(buffer, root, most)
    told = {"fields": found.fields, "text": found.text, "cut": found.cut, **asdict(found.html)}
    return {"rest": 0, "attachments": _files(buffer, found.files, target), "told": told}


def _files(buffer: Buffer, taken: Iterable[Taken], target: int) -> list[dict[str, Any]]:
    return [
        {
            "name": name_of(buffer, one.part),
            "content_type": media_type(one.part),
            "content_id": _content_id(one.part.header["Content-ID"]),
            "is_inline": one.is_inline,
            "size": sum(_write(target, piece) for piece in decoded(buffer, one.part)),
        }
        for one in taken
    ]


def _content_id(text: object) -> str:
    shown = "".join(c for c in str(text or "") if c.isascii() and c.isprintable())
    return shown.strip().removeprefix("<").removesuffix(">")[:500]


def _write(target: int, piece: bytes) -> int:
    view = memoryview(piece)
    while view:
        view = view[os.write(target, view) :]
    return len(piece)


def main() -> None:
    """Arguments: the file to write to, bytes that may be left, seconds of CPU, bytes of memory; the task."""
    target, most, cpu, memory = map(int, sys.argv[1:5])
    task = cast(Task, sys.argv[5])
    limit(os.fstat(0).st_size, cpu, memory)
    try:
        run(0, 1, target, most, task)
    except (MemoryError, RecursionError, TooComplex):
        os._exit(TOO_COMPLEX)
    except OSError as error:
        os._exit(TOO_COMPLEX if error.errno == errno.ENOMEM else NO_ROOM)
    except Exception:  # whatever Python's email package raises over what strangers write
        os._exit(BROKEN)


if __name__ == "__main__":
    main()
