"""One of the two mailboxes that the cases use: what of ours is in it, and how it becomes clean again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tests.contract.microsoft.graph import Graph, segment

MARK = "pillarbox-certify"
"""Stands in each subject, name of a folder, a scope and an app of ours, whatever the run."""
FOLDERS = "msgfolderroot"
PAUSE = 2.0
"""Seconds between two looks."""
ROUNDS = 5
Found = TypeVar("Found")


async def until(look: Callable[[], Awaitable[Found | None]], patience: float) -> Found:
    """What `look` finds, within so many seconds; a TimeoutError afterwards. Without patience it looks once."""
    deadline = time.monotonic() + patience
    while (found := await look()) is None:
        if time.monotonic() + PAUSE > deadline:
            raise TimeoutError(f"not there after {patience:.0f} seconds")
        await asyncio.sleep(PAUSE)
    return found


class Mailbox:
    """A mailbox through the eyes of the keeper. `patience` in seconds is how long mail may travel."""

    def __init__(self, graph: Graph, address: str, patience: float) -> None:
        self._graph, self.address, self._patience = graph, address, patience
        self.path = f"/users/{address}"

    async def arrived(self, name: str, folder: str | None = None, patience: float | None = None) -> dict[str, Any]:
        """Id, subject and parentFolderId of the mail of that name, once it is there; anywhere, or in a folder."""

        async def look() -> dict[str, Any] | None:
            found = [each for each in await self.ours(folder) if each["subject"].endswith(f"] {name}")]
            return found[0] if found else None

        return await until(look, self._patience if patience is None else patience)

    async def whole(self, name: str, folder: str | None = None) -> tuple[dict[str, Any], bytes]:
        """That mail with all its properties and headers, and its MIME."""
        path = f"{self.path}/messages/{segment((await self.arrived(name, folder))['id'])}"
        shown = (await self._graph.ask("GET", path)).json
        headers = (await self._graph.ask("GET", f"{path}?$select=internetMessageHeaders")).json
        mime = await self._graph.ask("GET", f"{path}/$value")
        return shown | {"internetMessageHeaders": headers.get("internetMessageHeaders", [])}, mime.body

    async def ours(self, folder: str | None = None) -> list[dict[str, Any]]:
        """All mail that carries the mark, in one folder or in all."""
        place = f"/mailFolders/{folder}" if folder else ""
        url = (
            f"{self.path}{place}/messages?$filter=contains(subject,'{MARK}')&$select=id,subject,parentFolderId&$top=100"
        )
        found: list[dict[str, Any]] = []
        while url:
            reply = await self._graph.ask("GET", url)
            assert reply.status == 200, f"{reply.status} {reply.code}"
            found += reply.json["value"]
            url = reply.json.get("@odata.nextLink", "")
        return found

    async def clean(self) -> None:
        """Delete what is ours, mail and folders; what a deletion puts into Deleted Items, is deleted there again."""
        for _ in range(ROUNDS):
            left = await self.ours()
            for each in left:
                await self._delete(f"/messages/{segment(each['id'])}")
            folders = await self._folders()
            for each in folders:
                await self._delete(f"/mailFolders/{segment(each['id'])}")
            if not left and not folders:
                return
        raise AssertionError(f"{self.address} is not clean: {len(left)} mails, {len(folders)} folders are left")

    async def _folders(self) -> list[dict[str, Any]]:
        found = []
        for place in (FOLDERS, "deleteditems"):
            path = f"{self.path}/mailFolders/{place}/childFolders?$top=100&$select=id,displayName"
            reply = await self._graph.ask("GET", path)
            assert reply.status == 200, f"{reply.status} {reply.code}"
            found += [each for each in reply.json["value"] if MARK in each["displayName"]]
        return found

    async def _delete(self, path: str) -> None:
        reply = await self._graph.ask("DELETE", self.path + path)
        # Somebody else may have been faster, and ids change when a mail moves.
        assert reply.status in (204, 404), f"{reply.status} {reply.code}"
