"""One request to Microsoft Graph: bearer token, request ids, one new token on 401, and whether it may have arrived.

HTTP/1.1 with many connections (HTTP/2 in Python costs more and gains nothing for uploads). The token goes to the host
of the configured Graph and to no other; redirects are not followed.
"""

import io
import json
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from pillarbox.core.errors import PillarboxError
from pillarbox.core.reasons import reason
from pillarbox.core.tls import Outbound

TokenSource = Callable[[str | None], Awaitable[str]]
"""Gives an access token; called with a token that was refused, it gives another one."""

_CONNECT_TIMEOUT: Final = 30
_MAX_ANSWER: Final = 1024 * 1024
_PIECE: Final = 256 * 1024


class Unreachable(PillarboxError):
    """Graph could not be reached: the request was certainly not processed."""


class Untrusted(PillarboxError):
    """What answered in Graph's place has no certificate that we trust: nothing was sent."""


class AnswerLost(PillarboxError):
    """The request was sent and its answer never came: it may have been processed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Graph's answer to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        """Microsoft's own number of the request, to ask its support about."""
        return self.headers.get("request-id", "")

    def error(self) -> tuple[str, str]:
        """Code and message of the error envelope; empty where the body has none."""
        try:
            error = json.loads(self.body)["error"]
            return str(error.get("code", "")), str(error.get("message", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return "", ""


class GraphClient:
    """Talks to one Graph, with connections kept. Open it and close it with the service."""

    def __init__(self, graph_url: str, outbound: Outbound, timeout: float) -> None:
        self._base = f"{graph_url}/v1.0"
        self._host = urlsplit(graph_url).netloc
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
        self, method: str, path: str, token: TokenSource, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to `path` below /v1.0, repeated once with a new token if the first one is refused.

        A 401 says that nothing was processed, so the repetition is safe. Raises Unreachable, Untrusted or AnswerLost,
        and what `token` raises.
        """
        bearer = await token(None)
        answer = await self._once(method, path, bearer, body, headers or {})
        if answer.status == 401:
            answer = await self._once(method, path, await token(bearer), body, headers or {})
        return answer

    async def _once(self, method: str, path: str, bearer: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        url = self._base + path
        sent = {
            "Authorization": f"Bearer {bearer}",
            "client-request-id": str(uuid.uuid4()),
            "return-client-request-id": "true",
            **headers,
        }
        host = self._host
        try:
            async with self._session.request(
                method, url, data=_piecewise(body), headers=sent, proxy=self._proxy, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await _limited(response))
        except aiohttp.ClientConnectorCertificateError as error:
            raise Untrusted("microsoft.tls", host=host, reason=_certificate_reason(error)) from error
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientProxyConnectionError,
            aiohttp.ClientHttpProxyError,
        ) as error:
            raise Unreachable("microsoft.unreachable", host=host, reason=self._reason(error)) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise Unreachable("microsoft.unreachable", host=host, reason="no connection in time") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AnswerLost("microsoft.answer_lost", host=host, reason=self._reason(error)) from error

    def _reason(self, error: Exception) -> str:
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
        return reason(words, self._proxy)


def _piecewise(body: bytes) -> bytes | io.BytesIO:
    # A large body written at once would hold up the loop.
    return io.BytesIO(body) if len(body) > _PIECE else body


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body, cut at a length that no answer to a mail call has."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MAX_ANSWER:
            response.close()
            break
    return bytes(body)


def _certificate_reason(error: aiohttp.ClientConnectorCertificateError) -> Any:
    cause = error.certificate_error
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else cause
