"""The client that waits, on requests."""

import os
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar, Unpack

import requests

from pillarbox.client.calls import LONGEST_WAIT, Calls, Filters, LinkTerms, Terms
from pillarbox.client.exchange import Answer, Call, Came, Lost, Pause, Read, Request, Step
from pillarbox.client.files import File
from pillarbox.client.message import Message
from pillarbox.client.place import Place
from pillarbox.client.results import ConnectLink, Event, Send, Trace, Upload
from pillarbox.client.retries import Retries

_Result = TypeVar("_Result")


class Pillarbox:
    """The API of a service. Not for several threads at once.

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
        self._session = _Straight()
        # .netrc would put another password in the key's place, REQUESTS_CA_BUNDLE another CA.
        self._session.trust_env = False
        self._session.verify = str(self._place.trusted)

    def __enter__(self) -> "Pillarbox":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, message: Message, *, wait: float | None = None, idempotency_key: str | None = None) -> Send:
        """Hand in a message, and wait up to so many seconds until nothing more happens to it.

        Sent once, however often it is handed in with this key; without one each call has a key of its own.
        """
        return self._run(self._calls.send(message, wait, idempotency_key))

    def send_mime(
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
        return self._run(self._calls.send_mime(mime, sender, recipients, terms, wait, idempotency_key))

    def wait(self, queue_id: str, timeout: float = 60.0) -> Send:
        """The message once nothing more happens to it by itself, or as it is after so many seconds."""
        return self._run(self._calls.wait(queue_id, timeout))

    def get(self, queue_id: str) -> Send:
        """A message as it is now."""
        return self.trace(queue_id).message

    def trace(self, queue_id: str) -> Trace:
        """A message and everything that was tried."""
        return self._run(self._calls.trace(queue_id))

    def list(self, *, limit: int = 100, **filters: Unpack[Filters]) -> Iterator[Send]:
        """All messages of which this is true, newest first; asked for page by page, `limit` at once."""
        query = {**filters, "limit": limit}
        page = self._run(self._calls.page(query, None))
        yield from page.data
        while page.next is not None:
            page = self._run(self._calls.page(query, page.next))
            yield from page.data

    def events(self, cursor: str | None = None, *, types: Sequence[str] = (), follow: bool = False) -> Iterator[Event]:
        """What happened after `cursor`, oldest first; with `follow` without end, each as soon as it happened.

        An event's own `cursor` is where to go on after it.
        """
        while True:
            feed = self._run(self._calls.feed(cursor, types, LONGEST_WAIT if follow else 0))
            yield from feed.data
            if not feed.data and not follow:
                return
            cursor = feed.next

    def upload(
        self,
        source: str | Path | bytes,
        *,
        name: str | None = None,
        media_type: str | None = None,
        former: str | None = None,
    ) -> Upload:
        """Bring in a file for an attachment, from its path or as bytes; `former` is the id of one to go on with."""
        return self._run(self._calls.upload(File.of(source, name, media_type), former))

    def retry(self, queue_id: str) -> Send:
        """Send a message again, now."""
        return self._run(self._calls.act(queue_id, "retry"))

    def cancel(self, queue_id: str) -> Send:
        """Do not send a message any more."""
        return self._run(self._calls.act(queue_id, "cancel"))

    def create_connect_link(self, app: str, address: str, **terms: Unpack[LinkTerms]) -> ConnectLink:
        """A link by which the person of this address connects a mailbox, by way of an app registration."""
        return self._run(self._calls.make_link(app, address, terms))

    def connect_link(self, link_id: str) -> ConnectLink:
        """What has become of a link."""
        return self._run(self._calls.link(link_id))

    def revoke_connect_link(self, link_id: str) -> ConnectLink:
        """Take a link back; one that is over stays as it is."""
        return self._run(self._calls.revoke_link(link_id))

    def _run(self, call: Call[_Result]) -> _Result:
        came: Came = None
        try:
            while True:
                came = self._do(call.send(came))
        except StopIteration as end:
            result: _Result = end.value
            return result

    def _do(self, step: Step) -> Came:
        match step:
            case Request():
                return self._ask(step)
            case Pause():
                time.sleep(step.seconds)  # noqa: TID251 - who called waits
                return None
            case Read():
                return step.piece()

    def _ask(self, request: Request) -> Answer | Lost:
        try:
            response = self._session.request(
                request.method,
                self._place.url + request.target,
                headers={**self._place.headers, **request.headers},
                data=request.body or None,
                timeout=(self._timeout, self._timeout + request.patience),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            return Lost(f"{self._place.url}: {_why(error)}", hopeless=True)
        except requests.RequestException as error:
            return Lost(f"{self._place.url}: {type(error).__name__}: {_why(error)}")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, response.content)


class _Straight(requests.Session):
    """A session that does not look where an answer leads: one that leads nowhere is an answer all the same."""

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """See requests."""


def _why(error: requests.RequestException) -> str:
    """What the matter is, without what was asked for: in a query stand people's addresses."""
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", None) or inner)
