"""Byte streams of clients: by name, out of the dialogs, and made by chance from a seed that is printed."""

import ast
import itertools
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DIALOGS: Final = Path(__file__).parents[1] / "dialogs"
_PLAYABLE: Final = ("@ehlo", "@login", "@raw ", "@closed", "@stored", "@recipients")
_WORDS: Final = {
    "{PLAIN}": "AHByaW50ZXIAc2VjcmV0",  # \0printer\0secret
    "{WRONG}": "AHByaW50ZXIAd3Jvbmc=",
    "{NAME}": "cHJpbnRlcg==",
    "{PASSWORD}": "c2VjcmV0",
    "{WRONG_PASSWORD}": "d3Jvbmc=",
}

EHLO: Final = b"EHLO printer\r\n"
LOGIN: Final = EHLO + b"AUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n"
MAIL: Final = b"MAIL FROM:<scanner@contoso.example>\r\n"
RCPT: Final = b"RCPT TO:<alice@contoso.example>\r\n"
TO_DATA: Final = LOGIN + MAIL + RCPT + b"DATA\r\n"
TEXT: Final = b"Subject: scan\r\n\r\n"
QUIT: Final = b"QUIT\r\n"
"""Played behind a stream, so that the server closes."""
EPILOGUE: Final = b"\r\n.\r\nQUIT\r\n"
"""Played instead where QUIT would be text of a message."""

SECOND: Final = (
    b"MAIL FROM:<erp@contoso.example>\r\nRCPT TO:<bob@contoso.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
)
_ENDINGS: Final = {
    "lf-dot-lf": b"\n.\n",
    "lf-dot-crlf": b"\n.\r\n",
    "crlf-dot-lf": b"\r\n.\n",
    "crlf-dot-cr": b"\r\n.\r",
    "cr-dot-cr": b"\r.\r",
    "cr-dot-crlf": b"\r.\r\n",
    "cr-dot-lf": b"\r.\n",
    "lf-dot-cr": b"\n.\r",
    "crcrlf-dot-crcrlf": b"\r\r\n.\r\r\n",
    "crlf-nul-dot-crlf": b"\r\n\0.\r\n",
    "crlf-dot-nul-crlf": b"\r\n.\0\r\n",
    "crlf-dot-blank-crlf": b"\r\n. \r\n",
    "crlf-dotdot-crlf": b"\r\n..\r\n",
    "vt-dot-vt": b"\x0b.\x0b",
    "nel-dot-nel": b"\x85.\x85",
    "crlf-dot-crlf": b"\r\n.\r\n",
}


def _smuggling() -> Iterator[tuple[str, bytes]]:
    """What is no end of a message (and the one that is), with a second message behind it."""
    for name, ending in _ENDINGS.items():
        yield f"smuggle {name}", TO_DATA + TEXT + b"page 1" + ending + SECOND


def _contents() -> Iterator[tuple[str, bytes]]:
    """What stands between DATA and the end."""
    bodies = {
        "empty": b"",
        "bare lf": b"a\nb\r\n",
        "bare lf in header": b"X-A: b\nX-C: d\r\n\r\nx\r\n",
        "bare cr": b"a\rb\r\n",
        "bare cr at end of line": b"a\r\r\nb\r\n",
        "cr cr lf": b"a\r\r\r\nb\r\n",
        "lf cr": b"a\n\rb\r\n",
        "lf lf": b"a\n\nb\r\n",
        "nul": b"a\0b\r\n",
        "stuffed dots": b"..\r\n...a\r\n..b\r\n",
        "dots that were not stuffed": b".a\r\n.b\r\n",
        "stuffed dots behind lf": b"a\n..\nb\n..c\r\n",
        "dot behind lf that was not stuffed": b"a\n.b\r\n",
        "lone dot behind lf": b"a\n.\nb\r\n",
        "lone dot between lf and crlf": b"a\n.\r\nb\r\n",
        "lone dot between crlf and lf": b"a\r\n.\nb\r\n",
        "dot behind cr": b"a\r.b\r\n",
        "first line is a dot and text": b".a\r\n",
        "first line is a dot and lf": b".\nb\r\n",
        "line of 998": b"x" * 998 + b"\r\n",
        "line of 999": b"x" * 999 + b"\r\n",
        "line of 1000": b"x" * 1000 + b"\r\n",
        "line of 2048": b"x" * 2048 + b"\r\n",
        "line of 9000": b"x" * 9000 + b"\r\n",
        "line of 9000 dots": b"." * 9000 + b"\r\n",
        "8 bit": bytes(range(0x80, 0x100)) + b"\r\n",
        "controls": bytes(byte for byte in range(1, 32) if byte not in b"\r\n") + b"\r\n",
        "blanks at the end of lines": b"a \r\n\t\r\n \r\n",
        "commands as text": b"QUIT\r\nRSET\r\nMAIL FROM:<a@contoso.example>\r\n",
    }
    for name, body in bodies.items():
        yield f"data {name}", TO_DATA + TEXT + body + b".\r\nNOOP\r\n"
    yield "data without a header", TO_DATA + b"\r\nbody alone\r\n.\r\n"
    yield "data of an end alone", TO_DATA + b".\r\n"
    yield "data too large", TO_DATA + TEXT + b"x" * 70 + (b"\r\n" + b"y" * 70) * 1500 + b"\r\n.\r\nNOOP\r\n"


def _commands() -> Iterator[tuple[str, bytes]]:
    """Commands that are right in an odd way, or wrong in a common one; each alone in its session."""
    before_mail = {
        "ehlo lf": b"EHLO x\n",
        "ehlo twice": EHLO + EHLO,
        "ehlo without name": b"EHLO\r\n",
        "ehlo blanks": b"EHLO \r\n",
        "ehlo two names": b"EHLO a b\r\n",
        "helo": b"HELO x\r\n",
        "helo without name": b"HELO\r\n",
        "ehlo address literal": b"EHLO [192.0.2.1]\r\n",
        "ehlo 8 bit": b"EHLO \xff\r\n",
        "ehlo underscore": b"EHLO my_printer\r\n",
        "noop": b"NOOP\r\n",
        "noop with text": b"NOOP hello\r\n",
        "noop lf": b"NOOP\n",
        "noop cr": b"NOOP\rRSET\r\n",
        "noop nul": b"NOOP\0\r\n",
        "noop blanks": b"NOOP   \r\n",
        "noop blank first": b" NOOP\r\n",
        "rset": b"RSET\r\n",
        "rset with text": b"RSET x\r\n",
        "vrfy": EHLO + b"VRFY alice\r\n",
        "vrfy without name": EHLO + b"VRFY\r\n",
        "expn": EHLO + b"EXPN staff\r\n",
        "help": b"HELP\r\n",
        "etrn": EHLO + b"ETRN contoso.example\r\n",
        "turn": EHLO + b"TURN\r\n",
        "bdat": EHLO + b"BDAT 5 LAST\r\nhello",
        "xclient": EHLO + b"XCLIENT ADDR=192.0.2.1\r\n",
        "starttls": EHLO + b"STARTTLS\r\n",
        "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "tls hello": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n",
        "empty line": b"\r\n",
        "unknown": b"FOO\r\n",
        "quit with text": b"QUIT now\r\n",
        "quit lower case": b"quit\r\n",
        "line of 512": b"NOOP " + b"x" * 505 + b"\r\n",
        "line of 2000": b"NOOP " + b"x" * 1993 + b"\r\n",
        "line of 20000": b"NOOP " + b"x" * 20000 + b"\r\n",
        "mail before ehlo": MAIL,
        "mail before auth": EHLO + MAIL,
        "rcpt before mail": LOGIN + RCPT,
        "data before mail": LOGIN + b"DATA\r\n",
        "data before rcpt": LOGIN + MAIL + b"DATA\r\n",
        "data with text": LOGIN + MAIL + RCPT + b"DATA now\r\n",
        "auth in a transaction": LOGIN + MAIL + b"AUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n",
        "mail twice": LOGIN + MAIL + MAIL,
        "ehlo in a transaction": LOGIN + MAIL + RCPT + EHLO + b"DATA\r\n",
        "rset in a transaction": LOGIN + MAIL + RCPT + b"RSET\r\nDATA\r\n",
    }
    for name, stream in before_mail.items():
        yield f"command {name}", stream
    senders = {
        "blank": b"MAIL FROM: <scanner@contoso.example>",
        "no brackets": b"MAIL FROM:scanner@contoso.example",
        "lower case": b"mail from:<scanner@contoso.example>",
        "blank before colon": b"MAIL FROM :<scanner@contoso.example>",
        "no colon": b"MAIL FROM <scanner@contoso.example>",
        "no bracket at the end": b"MAIL FROM:<scanner@contoso.example",
        "no bracket at the beginning": b"MAIL FROM:scanner@contoso.example>",
        "null": b"MAIL FROM:<>",
        "nothing": b"MAIL FROM:",
        "blank in address": b"MAIL FROM:<a b@contoso.example>",
        "route": b"MAIL FROM:<@fabrikam.example:scanner@contoso.example>",
        "quoted": b'MAIL FROM:<"a b"@contoso.example>',
        "two dots": b"MAIL FROM:<a@contoso..example>",
        "literal": b"MAIL FROM:<a@[192.0.2.1]>",
        "no domain": b"MAIL FROM:<scanner>",
        "size": b"MAIL FROM:<scanner@contoso.example> SIZE=100",
        "size too large": b"MAIL FROM:<scanner@contoso.example> SIZE=99999999",
        "size huge": b"MAIL FROM:<scanner@contoso.example> SIZE=99999999999999999999999",
        "size negative": b"MAIL FROM:<scanner@contoso.example> SIZE=-1",
        "size of letters": b"MAIL FROM:<scanner@contoso.example> SIZE=x",
        "body 8bit": b"MAIL FROM:<scanner@contoso.example> BODY=8BITMIME",
        "body binary": b"MAIL FROM:<scanner@contoso.example> BODY=BINARYMIME",
        "unknown parameter": b"MAIL FROM:<scanner@contoso.example> FOO=1",
        "two blanks": b"MAIL FROM:<scanner@contoso.example>  SIZE=100",
        "utf-8": b"MAIL FROM:<\xc3\xbc@contoso.example>",
        "utf-8 asked for": b"MAIL FROM:<\xc3\xbc@contoso.example> SMTPUTF8",
        "no utf-8": b"MAIL FROM:<\xff@contoso.example>",
        "auth": b"MAIL FROM:<scanner@contoso.example> AUTH=<>",
        "ret": b"MAIL FROM:<scanner@contoso.example> RET=HDRS ENVID=abc",
        "ret unknown": b"MAIL FROM:<scanner@contoso.example> RET=SOME",
        "local part of 65": b"MAIL FROM:<" + b"a" * 65 + b"@contoso.example>",
        "domain of 300": b"MAIL FROM:<a@" + b"a." * 150 + b"example>",
        "lf": b"MAIL FROM:<scanner@contoso.example>\n" + RCPT.removesuffix(b"\r\n"),
    }
    for name, line in senders.items():
        yield f"mail {name}", LOGIN + line + b"\r\n" + RCPT + b"DATA\r\n" + TEXT + b"x\r\n.\r\n"
    recipients = {
        "blank": b"RCPT TO: <alice@contoso.example>",
        "no brackets": b"RCPT TO:alice@contoso.example",
        "null": b"RCPT TO:<>",
        "nothing": b"RCPT TO:",
        "no domain": b"RCPT TO:<alice>",
        "postmaster": b"RCPT TO:<postmaster>",
        "quoted": b'RCPT TO:<"a\\"b"@contoso.example>',
        "literal": b"RCPT TO:<a@[127.0.0.1]>",
        "two dots": b"RCPT TO:<a@b..c>",
        "percent": b"RCPT TO:<alice%fabrikam.example@contoso.example>",
        "route": b"RCPT TO:<@fabrikam.example:alice@contoso.example>",
        "upper case": b"RCPT TO:<ALICE@CONTOSO.EXAMPLE>",
        "twice": RCPT + RCPT.removesuffix(b"\r\n"),
        "notify": b"RCPT TO:<alice@contoso.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;alice@contoso.example",
        "notify never and more": b"RCPT TO:<alice@contoso.example> NOTIFY=NEVER,FAILURE",
        "unknown parameter": b"RCPT TO:<alice@contoso.example> FOO=1",
        "utf-8": b"RCPT TO:<\xc3\xbc@contoso.example>",
    }
    for name, line in recipients.items():
        yield f"rcpt {name}", LOGIN + MAIL + line + b"\r\nDATA\r\n" + TEXT + b"x\r\n.\r\n"


def _pipelining() -> Iterator[tuple[str, bytes]]:
    """Everything at once, with something wrong in the middle."""
    message = TEXT + b"x\r\n.\r\n"
    yield "pipeline two messages", TO_DATA + message + MAIL + RCPT + b"DATA\r\n" + message
    yield "pipeline refused recipient", LOGIN + MAIL + b"RCPT TO:<>\r\nDATA\r\n" + b"RSET\r\n"
    yield "pipeline one of two recipients", LOGIN + MAIL + b"RCPT TO:<>\r\n" + RCPT + b"DATA\r\n" + message
    yield "pipeline after quit", LOGIN + b"QUIT\r\n" + MAIL + RCPT + b"DATA\r\n" + message
    yield "pipeline after data refused", LOGIN + b"DATA\r\n" + TEXT + b".\r\nNOOP\r\n"
    yield "pipeline auth in two steps", EHLO + b"AUTH LOGIN\r\ncHJpbnRlcg==\r\nc2VjcmV0\r\n" + MAIL


def dialogs() -> Iterator[tuple[str, bytes]]:
    """The client's side of every dialog that needs no TLS and no settings of its own."""
    for path in sorted(DIALOGS.glob("*.smtp")):
        stream, lines = b"", [line for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]
        if not all(line.startswith((*_PLAYABLE, "C:", "S:")) for line in lines):
            continue
        for line in lines:
            stream += _said(line)
        # A token of ours, such as {XOAUTH2}, says nothing to the others.
        if not re.search(rb"\{[A-Z_0-9]+\}", stream):
            yield f"dialog {path.stem}", stream


def _said(line: str) -> bytes:
    if line.startswith("@raw "):
        return bytes(_value(ast.parse(line[5:], mode="eval").body))
    if line.startswith("C:"):
        text = line[2:].removeprefix(" ")
        for word, value in _WORDS.items():
            text = text.replace(word, value)
        return text.encode() + b"\r\n"
    return {"@ehlo": EHLO, "@login": LOGIN}.get(line, b"")


def _value(node: ast.expr) -> bytes:
    """A literal, as bytes of its Latin-1 characters; added and repeated ones too."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.right, ast.Constant):
        assert isinstance(node.right.value, int)
        return _value(node.left) * node.right.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _value(node.left) + _value(node.right)
    text = ast.literal_eval(node)
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def named() -> dict[str, bytes]:
    """Every stream that has a name."""
    every = [*_smuggling(), *_contents(), *_commands(), *_pipelining(), *dialogs()]
    assert len(dict(every)) == len(every)
    return dict(every)


# ---- by chance

_PIECES: Final = (b"a", b"bc", b".", b"..", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b"\r\n.", b"\n.", b"\r.", b"\xff")
_STEPS: Final = (EHLO, b"NOOP\r\n", b"RSET\r\n", MAIL, RCPT, b"MAIL FROM:<>\r\n", b"DATE\r\n")


def contents(chance: random.Random) -> bytes:
    """What stands between DATA and its end: never the end itself, and CRLF behind it."""
    while True:
        content = b"".join(chance.choice(_PIECES) for _ in range(chance.randint(1, 14))) + b"\r\n"
        if b"\r\n.\r\n" not in b"\r\n" + content:
            return content


def transcript(chance: random.Random) -> bytes:
    """Commands in any order, with a message where they happen to allow one."""
    steps = [chance.choice(_STEPS) for _ in range(chance.randint(1, 9))]
    return LOGIN + b"".join(steps) + chance.choice((b"", RCPT + b"DATA\r\n"))


def cuts(stream: bytes, chance: random.Random, most: int = 12) -> list[bytes]:
    """The stream in pieces, cut anywhere."""
    places = sorted({0, len(stream), *(chance.randrange(len(stream)) for _ in range(most))})
    return [stream[start:end] for start, end in itertools.pairwise(places)]
