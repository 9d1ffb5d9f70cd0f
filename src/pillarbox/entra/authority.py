"""One way to Entra ID for everything that asks it for tokens: MSAL in threads, on a session of ours.

MSAL is synchronous, so it works in threads. It lets REQUESTS_CA_BUNDLE win over a given CA, so it gets a session that
looks at no environment. It remembers refusals by its own clock; who asks how often is ours to say, so it forgets them.
"""

import asyncio
import contextlib
import io
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import msal
import requests

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import AuthenticationFailed, PillarboxError, Unavailable, Upstream
from pillarbox.core.mail import Clock
from pillarbox.core.reasons import reason
from pillarbox.core.retry_after import seconds_of
from pillarbox.core.tls import Outbound

# What it calls errors come to us as exceptions; nothing but our own log writes to standard error.
logging.getLogger("msal").setLevel(logging.CRITICAL)

_T = TypeVar("_T")
_CODE: Final = re.compile(r"AADSTS(\d+)")
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_SAID: Final = re.compile(r'AADSTS\d+[^"\\\r\n]*')
_REQUESTS: Final = 3
"""How many requests one call of MSAL makes at the most: its addresses, the realm of a user, the token."""
_LONGEST_ANSWER: Final = 1024 * 1024
_PIECE: Final = 65_536
_ANEW: Final = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
"""OAuth errors after which only a person's sign-in helps (RFC 6749 section 5.2, and Microsoft's own)."""


_OF_APP: Final = (7000215, 7000222, 700016, 90002)
"""AADSTS numbers of a secret that is wrong or expired, and of an app registration or tenant that is not there."""


class TokenRefused(AuthenticationFailed):
    """Entra ID refuses a token for a reason that a person must mend.

    `number` is AADSTS's, 0 where it said none, and `request_id` its own number of the request (`trace_id`).
    """

    def __init__(self, code: str, /, *, number: int = 0, request_id: str = "", **params: object) -> None:
        super().__init__(code, **params)
        self.number = number
        self.request_id = request_id

    @property
    def upstream(self) -> Upstream | None:
        """Entra ID and its number; None where it was not asked."""
        if self.code not in ("microsoft.token_refused", "microsoft.tls"):
            return None
        return Upstream("entra", code=f"AADSTS{self.number}" if self.number else "", request_id=self.request_id)

    @property
    def of_credential(self) -> bool:
        """Whether it is the credential that is refused, so that another one may do."""
        explanation = catalogue.explain_aadsts(self.number)
        return explanation is not None and explanation.kind == "secret"

    @property
    def of_app(self) -> bool:
        """Whether it concerns all mailboxes of the app registration, where none of them signed in."""
        return self.number in _OF_APP


class SignInNeeded(TokenRefused):
    """What a person gave by signing in is at its end: they must sign in again."""


class TokenUnavailable(Unavailable):
    """Entra ID could not be asked, or is busy; `retry_after` are the seconds that it asks to wait, if it said."""

    def __init__(self, code: str, /, *, retry_after: float | None = None, **params: object) -> None:
        super().__init__(code, **params)
        self.retry_after = retry_after

    @property
    def upstream(self) -> Upstream | None:
        """Entra ID, which told nothing that has a number; None where another was asked (a key vault, the machine)."""
        return Upstream("entra") if self.code.startswith("microsoft.") else None


Told = Callable[[int | None, float], None]
"""Hears of one request: the answer's status, None where none came, and the seconds until its end."""


def untold(_status: int | None, _seconds: float) -> None:
    """Nobody hears of it."""


class Authority:
    """Makes MSAL's clients and runs their calls. Open it and close it with the service."""

    def __init__(
        self,
        cloud: Cloud,
        outbound: Outbound,
        clock: Clock = time.time,
        timeout: float = 30.0,
        told: Told = untold,
    ) -> None:
        """`timeout` are the seconds that one request may take; `told` hears, in threads, of each one for a token."""
        self.cloud = cloud
        self.outbound = outbound
        self.session = Session(outbound, cloud.authority_url, clock, timeout, told)
        self._patience = timeout * _REQUESTS

    def close(self) -> None:
        """Close the connections to Entra ID."""
        self.session.close()

    def confidential(
        self, app: AppRegistration, credential: Any, cache: msal.TokenCache
    ) -> msal.ConfidentialClientApplication:
        """MSAL's client of an app with a credential in MSAL's form. Making it asks Entra ID: do it in `run`."""
        return msal.ConfidentialClientApplication(app.client_id, client_credential=credential, **self._ways(app, cache))

    def public(self, app: AppRegistration, cache: msal.TokenCache) -> msal.PublicClientApplication:
        """MSAL's client of an app that shows no credential. Making it asks Entra ID: do it in `run`."""
        return msal.PublicClientApplication(app.client_id, **self._ways(app, cache))

    def _ways(self, app: AppRegistration, cache: msal.TokenCache) -> dict[str, Any]:
        return {
            "authority": f"{self.cloud.authority_url}/{app.tenant_id}",
            # The authority is a setting of the administrator: MSAL need not ask Microsoft whether it is one.
            "instance_discovery": False,
            "token_cache": cache,
            "http_client": self.session,
            "http_cache": _Forgetful(),
            # We answer the challenges of continuous access evaluation.
            "client_capabilities": ["CP1"],
        }

    async def run(self, work: Callable[[], _T]) -> _T:
        """Run MSAL's blocking work in a thread, its many exceptions translated into ours.

        Raises TokenRefused, TokenUnavailable.
        """
        host = urlsplit(self.cloud.authority_url).netloc

        def why(error: Exception) -> str:
            return reason(innermost(error), self.session.proxy)

        try:
            async with asyncio.timeout(self._patience):
                return await _in_a_thread(work)
        except PillarboxError:
            raise
        except TimeoutError as error:
            raise TokenUnavailable("microsoft.unreachable", host=host, reason="no answer in time") from error
        except requests.exceptions.SSLError as error:
            raise TokenRefused("microsoft.tls", host=host, reason=why(error)) from error
        except requests.exceptions.RequestException as error:
            raise TokenUnavailable("microsoft.unreachable", host=host, reason=why(error)) from error
        except msal.exceptions.MsalServiceError as error:
            # A status of 500 or more.
            raise TokenUnavailable("microsoft.token_unavailable", text=f"{error}.") from error
        except ValueError as error:
            raise _refusal_of(error) from error
        except Exception as error:
            # An answer that MSAL did not foresee. Nothing of the mail was sent.
            raise TokenUnavailable("microsoft.token_unavailable", text=f"{type(error).__name__}: {error}") from error


async def _in_a_thread(work: Callable[[], _T]) -> _T:
    """Run blocking work in a thread of its own, once an hour or so.

    Not in a pool: a server that never ends its answer would hold up all others there, and the process at its end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits any more
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast(_T, result))

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="msal", daemon=True).start()
    return await done


class Session(requests.Session):
    """A session whose CA and proxy are ours: no environment variable changes them."""

    def __init__(
        self, outbound: Outbound, authority_url: str, clock: Clock, timeout: float, told: Told = untold
    ) -> None:
        super().__init__()
        self._told = told
        self._clock = clock
        self._timeout = timeout
        self.trust_env = False
        self.verify = str(outbound.ca_file)
        self.proxy = outbound.proxy_for(authority_url)
        if self.proxy:
            self.proxies = {"https": self.proxy}

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests.Session.request`, never without an end; throttling is said in the form of OAuth.

        Raises requests.exceptions.RequestException, also for an answer that is too long or comes too slowly.
        """
        began, status = time.monotonic(), None
        try:
            answer = super().request(*args, **{"timeout": self._timeout, **kwargs, "stream": True})
            status = answer.status_code
            answer = _read_whole(answer, began + self._timeout)
        finally:
            # MSAL and we give method and address in this order.
            if len(args) > 1 and str(args[1]).partition("?")[0].endswith("/token"):
                self._told(status, time.monotonic() - began)
        busy = answer.status_code == 429 or (answer.status_code == 503 and "Retry-After" in answer.headers)
        return _slow_down(answer, self._clock()) if busy else answer


def _read_whole(answer: requests.Response, until: float) -> requests.Response:
    """The answer with its body, which `requests` would read without an end: neither in bytes nor in seconds."""
    body = io.BytesIO()
    with answer:
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            body.write(piece)
            if body.tell() > _LONGEST_ANSWER:
                raise requests.exceptions.ContentDecodingError("the answer is too long")
            if time.monotonic() > until:
                raise requests.exceptions.ReadTimeout("the answer does not end")
    return _made_of(answer, answer.status_code, body.getvalue())


def _made_of(answer: requests.Response, status: int, body: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code, made.headers, made.url, made.request = status, answer.headers, answer.url, answer.request
    made.encoding, made.reason, made.raw = answer.encoding, answer.reason, io.BytesIO(body)
    return made


class _Forgetful(dict[str, Any]):
    """MSAL's memory of HTTP answers, without memory: a mended app must show at the next question, not in a minute."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


def refusal(result: Mapping[str, Any], *, delegated: bool = False) -> PillarboxError:
    """Entra's error as one of ours: what its number means decides, the text is only shown.

    `delegated` says that a person's sign-in is being used, which may be at its end.
    """
    error, said = result.get("error"), result.get("error_description")
    if not isinstance(error, str):
        # RFC 6749 section 5.2 has it as a text: something else answers, or answers nonsense.
        return TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.no_token"))
    words = said if isinstance(said, str) and said.strip() else error.strip() or "an answer without a token"
    text = words.splitlines()[0]
    listed = result.get("error_codes")
    codes = [str(code) for code in listed if str(code).isdecimal()] if isinstance(listed, list) else []
    codes = codes or _CODE.findall(text)
    explanation = next(filter(None, map(catalogue.explain_aadsts, codes)), None)
    transient = explanation is not None and explanation.kind == "transient"
    if transient or error == "temporarily_unavailable":
        return TokenUnavailable("microsoft.token_unavailable", text=text, retry_after=result.get("retry_after"))
    remedy = explanation.remedy if explanation else catalogue.entry("microsoft.unexplained").cure
    number = int(codes[0]) if codes else 0
    needs_sign_in = delegated and error in _ANEW
    kind = SignInNeeded if needs_sign_in else TokenRefused
    trace = result.get("trace_id")
    request_id = trace if isinstance(trace, str) and _REQUEST_ID.fullmatch(trace) else ""
    return kind("microsoft.token_refused", number=number, request_id=request_id, text=text, remedy=remedy)


def _slow_down(answer: requests.Response, now: float) -> requests.Response:
    """A throttling answer whose body MSAL understands: Entra's own may be empty."""
    told = {"error": "temporarily_unavailable", "error_description": catalogue.sentence("microsoft.slow_down")}
    retry_after = answer.headers.get("Retry-After")
    wait = {"retry_after": seconds_of(retry_after, now)} if retry_after else {}
    return _made_of(answer, 429, json.dumps({**told, **wait}).encode())


def _refusal_of(error: ValueError) -> PillarboxError:
    """MSAL's word for a discovery document that is refused (a wrong tenant), or for an answer that is no JSON."""
    # MSAL hides what Entra said behind a sentence of its own.
    told = error if isinstance(error, json.JSONDecodeError) else error.__context__ or error
    if "HTTP status: 429" in str(told):
        found = re.search(r'"retry_after": ([0-9.]+)', str(told))
        slow = {"error": "temporarily_unavailable", "error_description": catalogue.sentence("microsoft.slow_down")}
        return refusal({**slow, "retry_after": float(found[1]) if found else None})
    if isinstance(told, json.JSONDecodeError):
        # Not Entra's refusal: a proxy in between.
        return TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.no_json"))
    if found := _SAID.search(str(told)):
        return refusal({"error": "invalid_request", "error_description": found[0]})
    # MSAL cannot read what came.
    return TokenUnavailable("microsoft.token_unavailable", text=f"{str(error).rstrip('.')}.")


def innermost(error: BaseException) -> BaseException:
    """What really happened, below the layers of requests and urllib3."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
