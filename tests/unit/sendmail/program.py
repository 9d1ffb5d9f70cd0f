"""pillarbox-sendmail as a process of its own, under any of its names."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ended:
    """How the program ended."""

    code: int
    output: bytes
    errors: str


@dataclass
class Program:
    """The program under any of its names, its places in a folder of this test."""

    folder: Path
    socket_name: str = "s"
    maildrop_name: str = "maildrop"

    @property
    def socket(self) -> Path:
        """The local door of the service."""
        return self.folder / self.socket_name

    @property
    def maildrop(self) -> Path:
        """The fallback folder."""
        return self.folder / self.maildrop_name

    def make_maildrop(self) -> None:
        """The folder as the service makes it."""
        self.maildrop.mkdir()
        self.maildrop.chmod(0o1733)

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PILLARBOX_SENDMAIL__SOCKET": str(self.socket),
            "PILLARBOX_SENDMAIL__FOLDER": str(self.maildrop),
            "PILLARBOX_SOCKET": str(self.folder / "api.sock"),
        }

    def path(self, name: str = "sendmail") -> Path:
        """The program under this name, made as an installer makes it."""
        script = self.folder / "pillarbox-sendmail"
        if not script.exists():
            script.write_text(f"#!{sys.executable}\nfrom pillarbox.sendmail import main\nmain()\n")
            script.chmod(0o755)
        link = self.folder / name
        if not link.exists():
            link.symlink_to(script)
        return link

    async def start(
        self, *arguments: str, name: str = "sendmail", environ: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        given = {**self.environ, **(environ or {})}
        return await asyncio.create_subprocess_exec(
            self.path(name), *arguments, env=given, stdin=pipe, stdout=pipe, stderr=pipe, limit=1 << 26
        )

    async def run(
        self, message: bytes, *arguments: str, name: str = "sendmail", environ: Mapping[str, str] | None = None
    ) -> Ended:
        process = await self.start(*arguments, name=name, environ=environ)
        output, errors = await process.communicate(message)
        assert process.returncode is not None
        return Ended(process.returncode, output, errors.decode())
