"""The client for asyncio, on aiohttp."""

import asyncio
import io
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar, Unpack

import aiohttp
from yarl import URL

from pillarbox.client.calls import LONGEST_WAIT, Calls, Filters, LinkTerms, Terms
from pillarbox.client.exchange import Answer, Call, Came, Lost, Pause, Read, Request, Step
from pillarbox.client.files import File
from pillarbox.client.message import Message
from pillarbox.client.place import Place
from pillarbox.client.results import ConnectLink, Event, Send, Trace, Upload
from pillarbox.client.retries import Retries

_Result = TypeVar("_Result")


class AsyncPillarbox:
    """The API of a service, for one event loop.

    Without `url` and `key` those of PILLARBOX_URL and PILLARBOX_API_KEY (or the file of PILLARBOX_API_KEY_FILE) count.
    `timeout` is how many seconds an answer may take. `ca_file` (or PILLARBOX_CA_FILE) is a PEM file that is trusted in
    place of the public CAs. Other variables of the environment, proxies too, and .netrc count for nothing.
    All calls raise PillarboxApiError for a refusal and PillarboxUnreachable where no answer came.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        ca_file: str | None = None,
        retries: Retries | None = None,
    ) -> None:
        """Raises PillarboxConfigError."""
        self._place = Place.find(url, key, ca_file, os.environ)
        self._timeout = timeout
        self._calls = Calls(retries or Retries(), time.monotonic, random.random, lambda: str(uuid.uuid4()))
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "AsyncPillarbox":
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, message: Message, *, wait: float | None = None, idempotency_key: str | None = None) -> Send:
        """Hand in a message, and wait up to so many seconds until nothing more happens to it.

        Sent once, however often it is handed in with this key; without one each call has a key of its own.
        """
        return await self._run(self._calls.send(message, wait, idempotency_key))

    async def send_mime(
        self,
        mime: bytes,
        *,
        sender: str | None = None,
        recipients: Sequence[str] = (),
        wait: float | None = None,
        idempotency_key: str | None = None,
        **terms: Unpack[Terms],
    ) -> Send:
        """Hand in a message as it is (RFC 5322). Without sender and recipients those of its header count.

        The rest is as for `send`.
        """
        return await self._run(self._calls.send_mime(mime, sender, recipients, terms, wait, idempotency_key))

    async def wait(self, queue_id: str, timeout: float = 60.0) -> Send:  # noqa: ASYNC109 - as the other client
        """The message once nothing more happens to it by itself, or as it is after so many seconds."""
        return await self._run(self._calls.wait(queue_id, timeout))

    async def get(self, queue_id: str) -> Send:
        """A message as it is now."""
        return (await self.trace(queue_id)).message

    async def trace(self, queue_id: str) -> Trace:
        """A message and everything that was tried."""
        return await self._run(self._calls.trace(queue_id))

    async def list(self, *, limit: int = 100, **filters: Unpack[Filters]) -> AsyncIterator[Send]:
        """All messages of which this is true, newest first; asked for page by page, `limit` at once."""
        query = {**filters, "limit": limit}
        page = await self._run(self._calls.page(query, None))
        for one in page.data:
            yield one
        while page.next is not None:
            page = await self._run(self._calls.page(query, page.next))
            for one in page.data:
                yield one

    async def events(
        self, cursor: str | None = None, *, types: Sequence[str] = (), follow: bool = False
    ) -> AsyncIterator[Event]:
        """What happened after `cursor`, oldest first; with `follow` without end, each as soon as it happened.

        An event's own `cursor` is where to go on after it.
        """
        while True:
            feed = await self._run(self._calls.feed(cursor, types, LONGEST_WAIT if follow else 0))
            for one in feed.data:
                yield one
            if not feed.data and not follow:
                return
            cursor = feed.next

    async def upload(
        self,
        source: str | Path | bytes,
        *,
        name: str | None = None,
        media_type: str | None = None,
        former: str | None = None,
    ) -> Upload:
        """Bring in a file for an attachment, from its path or as bytes; `former` is the id of one to go on with."""
        return await self._run(self._calls.upload(File.of(source, name, media_type), former))

    async def retry(self, queue_id: str) -> Send:
        """Send a message again, now."""
        return await self._run(self._calls.act(queue_id, "retry"))

    async def cancel(self, queue_id: str) -> Send:
        """Do not send a message any more."""
        return await self._run(self._calls.act(queue_id, "cancel"))

    async def create_connect_link(self, app: str, address: str, **terms: Unpack[LinkTerms]) -> ConnectLink:
        """A link by which the person of this address connects a mailbox, by way of an app registration."""
        return await self._run(self._calls.make_link(app, address, terms))

    async def connect_link(self, link_id: str) -> ConnectLink:
        """What has become of a link."""
        return await self._run(self._calls.link(link_id))

    async def revoke_connect_link(self, link_id: str) -> ConnectLink:
        """Take a link back; one that is over stays as it is."""
        return await self._run(self._calls.revoke_link(link_id))

    async def _run(self, call: Call[_Result]) -> _Result:
        came: Came = None
        try:
            while True:
                came = await self._do(call.send(came))
        except StopIteration as end:
            result: _Result = end.value
            return result

    async def _do(self, step: Step) -> Came:
        match step:
            case Request():
                return await self._ask(step)
            case Pause():
                await asyncio.sleep(step.seconds)
                return None
            case Read():
                return await asyncio.to_thread(step.piece)

    async def _ask(self, request: Request) -> Answer | Lost:
        total = aiohttp.ClientTimeout(total=None, connect=self._timeout, sock_read=self._timeout + request.patience)
        try:
            async with self._opened().request(
                request.method,
                # It is encoded as it is to be.
                URL(self._place.url + request.target, encoded=True),
                headers={**self._place.headers, **request.headers},
                data=io.BytesIO(request.body) if request.body else None,
                timeout=total,
                allow_redirects=False,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, headers, await response.read())
        except aiohttp.ClientSSLError as error:
            return Lost(f"{self._place.url}: {error}", hopeless=True)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Lost(f"{self._place.url}: {type(error).__name__}: {error}")

    def _opened(self) -> aiohttp.ClientSession:
        # Made when it is first needed: it belongs to the loop that runs then.
        if self._session is None:
            context = self._place.ssl_context()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session
