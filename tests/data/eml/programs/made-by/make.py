"""Has mail programs write a mail in many of their modes, and keeps the bytes that they hand over. Run by make.sh.

They talk to a sink on a free port of loopback, or call `$SENDMAIL`, which keeps its standard input. What they need is
installed by `make test-tools BIG=1` and `apt install mutt mpack mime-construct sendemail`.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from pathlib import Path
from typing import BinaryIO

HERE = Path(__file__).parent
TO, FROM = "alice@contoso.example", "scanner@contoso.example"
COMMANDS: dict[str, str] = tomllib.loads((HERE / "commands.toml").read_text("utf-8"))


class Sink:
    """Takes mail from one client after the other and keeps the bytes of DATA with the dots taken out."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """For ever."""
        while True:
            peer, _ = self.listener.accept()
            with peer, peer.makefile("rb") as lines:
                self.talk(peer, lines)

    def talk(self, peer: socket.socket, lines: BinaryIO) -> None:
        """One connection."""
        peer.sendall(b"220 sink.contoso.example ESMTP\r\n")
        mail: list[bytes] | None = None
        for line in lines:
            word = line[:4].upper().strip()
            if mail is not None and line == b".\r\n":
                self.mails.append(b"".join(mail))
                mail = None
                peer.sendall(b"250 kept\r\n")
            elif mail is not None:
                mail.append(line[line.startswith(b".") :])
            elif word == b"EHLO":
                peer.sendall(b"250-sink\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n")
            elif word == b"DATA":
                mail = []
                peer.sendall(b"354 go on\r\n")
            elif word == b"QUIT":
                peer.sendall(b"221 bye\r\n")
                return
            else:
                peer.sendall(b"250 ok\r\n")


def furnish(folder: Path) -> None:
    """The files that the commands name."""
    (folder / "scan.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(1, 256)) * 4)
    (folder / "掃描 1.txt").write_text("第一頁\nГрüße\n", "utf-8")
    (folder / "letter.eml").write_text(f"From: {FROM}\nTo: {TO}\nSubject: by hand\n\npage 1\n.\n..dots\n", "utf-8")
    name = ["-subj", f"/CN={FROM}", "-addext", f"subjectAltName=email:{FROM}"]
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", *name]
    subprocess.run(key, cwd=folder, check=True, capture_output=True)
    script = """
        git init -q repository; cd repository
        git config user.name 'Scänner'; git config user.email scanner@contoso.example
        for n in 1 2 3; do
            printf 'Grüße %s\\nFrom here\\n' $n >page; [ $n != 3 ] || printf '\\000\\001%s' $n >scan.bin
            git add .; git commit -q --author='Äl <alice@contoso.example>' -s -m "page $n: 掃描" -m "A longer text."
        done"""
    subprocess.run(["sh", "-euc", script], cwd=folder, check=True)


def make(name: str, sink: Sink) -> list[bytes]:
    """What one command handed over."""
    sink.mails.clear()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        furnish(folder)
        keeper = folder / "sendmail"
        keeper.write_text(f'#!/bin/sh\ncat >"{place}/$(date +%s%N).kept"\n')
        keeper.chmod(0o755)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": place,
            "LC_ALL": "C.UTF-8",
            "SENDMAIL": str(keeper),
            "HERE": str(HERE.resolve()),
            "PORT": str(sink.port),
        }
        done = subprocess.run(["sh", "-c", COMMANDS[name]], cwd=folder, env=environ, capture_output=True, check=False)
        if done.returncode:
            print(name, done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace"), file=sys.stderr)
        return [path.read_bytes() for path in sorted(folder.glob("*.kept"))] + sink.mails


def main(wanted: list[str]) -> None:
    """Write the files; with arguments only those."""
    sink = Sink()
    for name in wanted or COMMANDS:
        mails = make(name, sink)
        if not mails:
            print(f"{name}: nothing came", file=sys.stderr)
        for old in HERE.parent.glob(f"{name}*.eml"):
            if re.fullmatch(re.escape(name) + r"(-\d+)?", old.stem):
                old.unlink()
        for number, mail in enumerate(mails, 1):
            (HERE.parent / f"{name}{f'-{number}' if len(mails) > 1 else ''}.eml").write_bytes(mail)


if __name__ == "__main__":
    main(sys.argv[1:])
