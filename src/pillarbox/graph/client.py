"""One request to Microsoft Graph: bearer token, request ids, one new token on 401, and whether it may have arrived.

HTTP/1.1 with many connections (HTTP/2 in Python costs more and gains nothing for uploads). The token goes to the host
of the configured Graph and to no other (address.py); redirects are not followed.
"""

import io
import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from pillarbox.core.bearer import TokenSource, challenge_of
from pillarbox.core.errors import PillarboxError, Upstream
from pillarbox.core.reasons import NO_SUCH_NAME, reason
from pillarbox.core.tls import Outbound
from pillarbox.graph import meter
from pillarbox.graph.address import Root

_CONNECT_TIMEOUT: Final = 30
_MAX_ANSWER: Final = 1024 * 1024
"""Bytes that no answer to a mail call has."""
_PIECE: Final = 256 * 1024


Told = Callable[[int | None, float], None]


def untold(_status: int | None, _seconds: float) -> None:
    """Nobody hears of it."""


class _OfGraph(PillarboxError):
    @property
    def upstream(self) -> Upstream:
        """Graph, which told nothing."""
        return Upstream("graph")


class Unreachable(_OfGraph):
    """Graph could not be reached: the request was certainly not processed."""


class UnknownHost(Unreachable):
    """DNS says that there is no such host, or no such proxy."""


class Untrusted(_OfGraph):
    """What answered in Graph's place has no certificate that we trust: nothing was sent."""


class AnswerLost(_OfGraph):
    """The request was sent and its answer never came: it may have been processed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Graph's answer to one request; `whole` is False where the body was longer than was wanted, and is cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def request_id(self) -> str:
        """Microsoft's own number of the request, to ask its support about."""
        return _written(self.headers.get("request-id", ""))

    def error(self) -> tuple[str, str]:
        """Code and message of the error envelope; empty where the body has none."""
        try:
            error = json.loads(self.body)["error"]
            return _written(str(error.get("code", ""))), _written(str(error.get("message", "")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return "", ""


class GraphClient:
    """Talks to one Graph, with connections kept. Open it and close it with the service.

    `told` hears of each request: the answer's status, None where none came, and the seconds until its end.
    """

    def __init__(self, graph_url: str, outbound: Outbound, timeout: float, told: Told = untold) -> None:
        self._told = told
        self._root = Root(graph_url)
        self._outbound = outbound
        self._proxy = outbound.proxy_for(graph_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=outbound.ssl_context(), limit=0, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_TIMEOUT),
            # We choose CA and proxy; no cookie of one mailbox is shown for another.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Nothing that unpacks to more than was read.
            auto_decompress=False,
            headers={"User-Agent": "pillarbox", "Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        token: TokenSource,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        version: str = "v1.0",
        limit: int = _MAX_ANSWER,
    ) -> Answer:
        """One request, repeated once with another token if the first one is refused.

        `path` is below `version` ("v1.0" or "beta"), or a whole address that Graph itself gave, such as a nextLink; see
        `address.Root`. Of the answer's body `limit` bytes are read. A 401 says that nothing was processed, so the
        repetition is safe; what it asks for (continuous access evaluation) goes on to `token`.

        Raises InvalidInput and Forbidden for addresses, Unreachable, Untrusted or AnswerLost, and what `token` raises.
        """
        url = self._root.address(path, version)
        bearer = await token(None)
        answer = await self._once(method, url, bearer, body, headers or {}, limit)
        if answer.status == 401:
            other = await token(challenge_of(bearer, _challenges(answer.headers)))
            answer = await self._once(method, url, other, body, headers or {}, limit)
        return answer

    async def request_without_token(
        self, method: str, url: URL, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to an address that is its own key, such as an upload session's (uploads.py): no token goes there.

        The caller has made sure whose address it is. Raises as `request`.
        """
        proxy = self._outbound.proxy_for(str(url.origin()))
        return await self._exchange(method, url, body, CIMultiDict(headers or {}), _MAX_ANSWER, proxy)

    async def _once(
        self, method: str, url: URL, bearer: str, body: bytes, headers: Mapping[str, str], limit: int
    ) -> Answer:
        # Ours come last: no header that is given takes the place of the token.
        sent = CIMultiDict(headers)
        sent["Authorization"] = f"Bearer {bearer}"
        sent["client-request-id"] = str(uuid.uuid4())
        sent["return-client-request-id"] = "true"
        return await self._exchange(method, url, body, sent, limit, self._proxy)

    async def _exchange(
        self, method: str, url: URL, body: bytes, sent: CIMultiDict[str], limit: int, proxy: str | None
    ) -> Answer:
        host, began, status = url.raw_authority, time.monotonic(), None
        meter.count()
        try:
            async with self._session.request(
                method, url, data=_piecewise(body), headers=sent, proxy=proxy, allow_redirects=False
            ) as response:
                status = response.status
                read, whole = await _read(response, limit)
                return Answer(response.status, response.headers, read, whole)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Untrusted("microsoft.tls", host=host, reason=_certificate_reason(error)) from error
        except aiohttp.ClientConnectorDNSError as error:
            if error.os_error.errno not in NO_SUCH_NAME:
                raise Unreachable("microsoft.unreachable", host=host, reason=_reason(error, proxy)) from error
            raise UnknownHost("microsoft.unknown_host", host=error.host, reason=error.strerror) from error
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientProxyConnectionError,
            aiohttp.ClientHttpProxyError,
        ) as error:
            raise Unreachable("microsoft.unreachable", host=host, reason=_reason(error, proxy)) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise Unreachable("microsoft.unreachable", host=host, reason="no connection in time") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AnswerLost("microsoft.answer_lost", host=host, reason=_reason(error, proxy)) from error
        finally:
            self._told(status, time.monotonic() - began)


def _reason(error: Exception, proxy: str | None) -> str:
    match error:
        case aiohttp.ClientHttpProxyError():
            # Its text is the proxy's address with the password in it.
            words = f"the proxy answers {error.status} {error.message}".rstrip()
        case aiohttp.ClientResponseError():
            words = f"{error.status} {error.message}".strip()
        case TimeoutError():
            words = "no answer in time"
        case _:
            words = str(error) or type(error).__name__
    return reason(words, proxy)


def _piecewise(body: bytes) -> bytes | io.BytesIO:
    # A large body written at once would hold up the loop.
    return io.BytesIO(body) if len(body) > _PIECE else body


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    try:
        return await _limited(response, limit)
    except (aiohttp.ClientError, TimeoutError, OSError):
        if response.status != 202:
            raise
        # What was accepted is accepted, whatever became of the words after it: to ask again would send it twice.
        return b"", False


async def _limited(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """The answer's body, cut behind `limit` bytes, and whether it is whole."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            response.close()
            return bytes(body[:limit]), False
    return bytes(body), True


def _written(text: str) -> str:
    # JSON and headers can hold halves of letters, which neither the store nor an answer of ours could write.
    return text.encode("utf-8", "replace").decode("utf-8")


def _challenges(headers: Mapping[str, str]) -> str:
    """All of WWW-Authenticate: a header that may come more than once (RFC 9110 section 11.6.1)."""
    return ", ".join(value for name, value in headers.items() if name.lower() == "www-authenticate")


def _certificate_reason(error: aiohttp.ClientConnectorCertificateError) -> Any:
    cause = error.certificate_error
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else cause
