"""The settings: default < file < environment < flag, and where each value came from.

A file is `pillarbox.toml`; the environment says `PILLARBOX_SMTP__LISTEN`; a flag says `--set smtp.listen=...`. A secret
may also stand in a file that `PILLARBOX_..._FILE` names. pydantic checks the types; the layering is ours, as an error
must name the file or the variable, the key and the cure in one line.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from pillarbox.core import ip
from pillarbox.core.clouds import CLOUDS, Cloud
from pillarbox.core.errors import ConfigError
from pillarbox.core.graph_limits import MOST_MESSAGE, REQUEST, USUAL_MESSAGE
from pillarbox.core.mail import is_address
from pillarbox.core.places import ENV_PREFIX, default_socket, default_state_dir
from pillarbox.core.vault import Secret


def _not_empty(value: object) -> object:
    if value == "":
        raise PydanticCustomError("empty", "it is empty")
    return value


def _one_word(value: str) -> str:
    if re.search(r"\s", value):
        raise PydanticCustomError("blank", "it holds a blank")
    return value


NeededPath = Annotated[Path, BeforeValidator(_not_empty)]
OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]
SecretText = Annotated[
    Secret,
    BeforeValidator(lambda value: Secret(value) if isinstance(value, str) else value),
    PlainSerializer(lambda secret: repr(secret) if secret else ""),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse(cls, value: object, info: ValidationInfo) -> object:
        """What pydantic would take: true as the number 1, and control characters, which no setting has."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise PydanticCustomError("truth", "true and false are no values of it")
        # A secret may end in a newline, as a file of it does.
        if isinstance(value, str) and field.annotation is not Secret and _CONTROL.search(value):
            raise PydanticCustomError("control", "it holds a control character")
        return value


_ORIGIN: Final = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _words(value: object) -> object:
    """A list, also as one text with commas or blanks, as the environment and flags have it."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _are_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ip.undressed(ipaddress.ip_network(text))) for text in texts)
    except ValueError as error:
        raise PydanticCustomError("network", "{reason}", {"reason": str(error)}) from error


def _is_guid(text: str) -> str:
    if text and not _GUID.fullmatch(text):
        raise PydanticCustomError("guid", "it is no ID such as 11111111-2222-3333-4444-555555555555")
    return text.lower()


def _is_value(secret: Secret) -> Secret:
    if _GUID.fullmatch(secret.reveal().strip()):
        raise PydanticCustomError("secret_id", "it is the secret's ID; the value was shown once, when it was made")
    return secret


def _with_small_ids(texts: tuple[str, ...]) -> tuple[str, ...]:
    """IDs as Entra writes them; other words stay as they are."""
    return tuple(text.lower() if _GUID.fullmatch(text) else text for text in texts)


def _are_origins(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not _ORIGIN.fullmatch(text):
            wrong = "{text} is no origin such as https://app.contoso.example"
            raise PydanticCustomError("origin", wrong, {"text": text})
    return texts


Networks = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_are_networks)]


class Door(_Section):
    """One listener of the SMTP submission door."""

    listen: str = Field(
        "", description="Address and port to listen on, such as 0.0.0.0:587 or [::]:587; port 0 takes a free one."
    )
    hostname: Annotated[str, AfterValidator(_one_word)] = Field(
        "", description="Our name in the greeting; empty: the host's name."
    )
    banner: str = Field("ESMTP Pillarbox", description="What the greeting says behind our name.")
    tls: Literal["none", "starttls", "implicit"] = Field(
        "starttls", description="No TLS, by STARTTLS, or from the first byte on (port 465)."
    )
    tls_cert_file: OptionalPath = Field(
        None,
        description="Certificate chain (PEM), read again when it changes; without one a self-made certificate is used.",
    )
    tls_key_file: OptionalPath = Field(None, description="Private key (PEM) of the certificate.")
    tls_minimum: Literal["1.0", "1.1", "1.2", "1.3"] = Field(
        "1.2", description="Oldest TLS version taken. Below 1.2 for old devices only."
    )
    auth: Literal["encrypted", "clear", "none"] = Field(
        "encrypted",
        description="AUTH behind TLS only (on a loopback address without `proxy_networks` also without TLS); `clear`: "
        "also without TLS, for old devices, which needs `networks` beyond a loopback address; `none`: no AUTH, only "
        "submitters with a network of their own.",
    )
    networks: Networks = Field((), description="Networks (CIDR) whose clients may connect; empty: all.")
    proxy_networks: Networks = Field(
        (), description="Networks (CIDR) of load balancers that speak the PROXY protocol; nobody else may connect then."
    )
    newlines: Literal["normalize", "reject"] = Field(
        "normalize", description="Whether a bare CR or LF is put right, or refused and the connection closed."
    )
    received: bool = Field(False, description="Whether messages get a `Received` field with the client's address.")
    max_size: int = Field(
        USUAL_MESSAGE,
        gt=0,
        description="Largest message taken, in bytes, as EHLO says it. The way out of a mailbox may take less: about "
        "3 MB through Graph, unless its mode is `draft` or it may send by SMTP; larger mail is refused with 552 5.3.4.",
    )
    max_recipients: int = Field(500, gt=0, description="Most recipients of one message.")
    timeout: float = Field(
        300, gt=0, description="Seconds that a client may stay silent before it is disconnected, once it has logged in."
    )


class Smtp(Door):
    """The SMTP submission door.

    `smtp.listen` is the first listener; `[smtp.listeners.NAME]` makes further ones, which take what they do not say
    themselves from `[smtp]`: all but `auth = "clear"`, a `tls_minimum` below 1.2 and `proxy_networks`.
    """

    listen: str = Field(
        "127.0.0.1:2525",
        description="Address and port to listen on, such as 0.0.0.0:587 or [::]:587 (IPv6 alone: IPv4 needs a listener "
        "of its own); port 0 takes a free one; empty: no such listener.",
    )
    listeners: dict[str, Door] = Field(
        {}, description="Further listeners by name, as tables `[smtp.listeners.NAME]` with the keys of one listener."
    )
    greeting_timeout: float = Field(
        60,
        gt=0,
        description="Seconds of silence before a client has logged in, or, known by its network, begun its first mail.",
    )
    handshake_timeout: float = Field(
        10, gt=0, description="Seconds that a TLS handshake may take, or a load balancer's header."
    )
    data_timeout: float = Field(
        600, gt=0, description="Seconds that a message may take to come in, and one more for each 8 KiB of it."
    )
    min_rate: int = Field(
        500, ge=0, description="Bytes a second that a message must come in with, after its first 30 seconds; 0: any."
    )
    max_connections: int = Field(1000, gt=0, description="Most connections at once.")
    max_connections_per_ip: int = Field(20, gt=0, description="Most connections of one address (IPv6: of one /64).")
    max_connections_per_submitter: int = Field(20, gt=0, description="Most connections logged in as one submitter.")
    max_unfinished: int = Field(
        4 * 1024**3, gt=0, description="Most bytes of messages that are being handed in, in memory and on disk."
    )
    max_backlog: int = Field(20_000, gt=0, description="Most messages that may wait for one mailbox.")
    max_backlog_bytes: int = Field(8 * 1024**3, gt=0, description="Most bytes that may wait for one mailbox.")

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        """A named listener has the keys of the section where it has none of its own, but for `_SAID_BY_ITSELF`."""
        named = values.get("listeners") if isinstance(values, dict) else None
        if not isinstance(named, dict):
            return values
        shared = {key: value for key, value in values.items() if key in Door.model_fields and _is_shared(key, value)}
        return values | {"listeners": {name: _inherited(own, shared) for name, own in named.items()}}


_SAID_BY_ITSELF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"tls_minimum": ("1.0", "1.1"), "auth": ("clear",)}
)
"""What opens a listener wider than it is of itself is said by that listener: no other one is opened by the way."""


def _is_shared(key: str, value: Any) -> bool:
    return key not in ("listen", "proxy_networks") and value not in _SAID_BY_ITSELF.get(key, ())


def _inherited(own: Any, shared: Mapping[str, Any]) -> Any:
    """A listener's table with what it does not say itself. A key belongs to its certificate: neither comes alone."""
    if not isinstance(own, dict):
        return own
    pair = {"tls_cert_file", "tls_key_file"}
    taken = {key: value for key, value in shared.items() if not (key in pair and pair & own.keys())}
    return taken | own


class Sendmail(_Section):
    """The local door of `pillarbox-sendmail`."""

    socket: OptionalPath = Field(
        None, description="Unix socket on which users of this machine hand in mail; empty: none."
    )
    folder: OptionalPath = Field(
        None,
        description="Folder in which `pillarbox-sendmail` leaves mail while the service is down; empty: none.",
    )


class Microsoft(_Section):
    """Where Microsoft is. Every address can be set, so that the program can be pointed at any stand-in."""

    cloud: Literal["global", "gcc-high", "dod", "china", "custom"] = Field(
        "global", description="Which cloud; `custom` needs `authority_url` and `graph_url`."
    )
    authority_url: str = Field("", description="Where tokens come from; empty: the cloud's.")
    graph_url: str = Field("", description="Microsoft Graph, without the version; empty: the cloud's.")
    smtp_host: str = Field("", description="Exchange Online's SMTP host; empty: the cloud's.")
    smtp_port: int = Field(0, ge=0, le=65535, description="Exchange Online's SMTP port; 0: the cloud's.")
    imap_host: str = Field("", description="Exchange Online's IMAP host; empty: the cloud's.")
    imap_port: int = Field(0, ge=0, le=65535, description="Exchange Online's IMAP port; 0: the cloud's.")
    exchange_url: str = Field("", description="Exchange Online as the resource of an app's tokens; empty: the cloud's.")
    outlook_url: str = Field(
        "", description="Exchange Online as the prefix of the permissions that a person gives; empty: the cloud's."
    )
    ca_file: OptionalPath = Field(
        None, description="CA certificates (PEM) to trust instead of the built-in list, such as a proxy's own."
    )
    proxy: SecretText = Field(
        Secret(""), description="HTTP proxy for tokens and Graph alike; empty: HTTPS_PROXY and NO_PROXY count."
    )
    timeout: float = Field(120, gt=0, description="Seconds that one request to Microsoft may take.")


class Http(_Section):
    """The HTTP listener: the API, the pages of a sign-in and of the first administrator, health and metrics."""

    listen: str = Field(
        "127.0.0.1:8025", description="Address and port to listen on; port 0 takes a free one; empty: no listener."
    )
    public_url: str = Field(
        "",
        description="Address under which browsers and clients reach the listener, such as "
        "https://mail.contoso.example, with a path where a proxy has one for us; links come from it alone. Empty: "
        "localhost and the port. PUBLIC_URL/signin/callback is the redirect URI to register.",
    )
    tls: Literal["auto", "on", "off"] = Field(
        "auto",
        description="HTTPS, or plain HTTP, in which nobody is answered but clients on this machine and "
        "`http.trusted_proxies`. `auto`: HTTPS where a certificate is set or the address is no loopback one.",
    )
    tls_cert_file: OptionalPath = Field(
        None,
        description="Certificate chain (PEM) for HTTPS, read again when it changes; without one a self-made one is "
        "used.",
    )
    tls_key_file: OptionalPath = Field(None, description="Private key (PEM) of the certificate.")
    trusted_proxies: Networks = Field(
        (),
        description="Networks (CIDR) of reverse proxies in front of the listener: what they say in X-Forwarded-For and "
        "X-Forwarded-Proto counts, and they may speak plain HTTP.",
    )
    return_urls: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_are_origins)] = Field(
        (),
        description="Origins (https://HOST) to which people may go on after they have connected a mailbox by a link.",
    )
    metrics_networks: Networks = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Networks (CIDR) whose clients read /metrics without a key; others need a key with the scope "
        "`metrics.read`. Empty: all need one.",
    )
    rate: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Most requests a minute with one API key that has no rate of its own; 0: any number.",
    )
    header_timeout: float = Field(
        10, gt=0, description="Seconds in which a TLS handshake, and then the header of a request must have come in."
    )
    idle_timeout: float = Field(60, gt=0, description="Seconds that a connection may be silent between two requests.")
    min_rate: int = Field(
        500, ge=0, description="Bytes a second that a request must come in with, after its first 30 seconds; 0: any."
    )
    max_connections: int = Field(1000, gt=0, description="Most connections at once.")
    max_connections_per_ip: int = Field(
        100, gt=0, description="Most connections of one address (IPv6: of one /64) that is no trusted proxy."
    )


class Admin(_Section):
    """The first administrator, made at a start where there is nobody yet; afterwards it counts for nothing."""

    name: str = Field("admin", description="Name of the first administrator.")
    password: SecretText = Field(
        Secret(""),
        description="Password of the first administrator; empty: each start writes a link to the file `first-admin` in "
        "the state folder, at which one is chosen.",
    )


Guid = Annotated[str, AfterValidator(_is_guid)]
Holders = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_with_small_ids)]


def _holders(role: str) -> str:
    return f"Who is {role}: object IDs of groups, and values of app roles of the app registration."


CONSOLE_CALLBACK: Final = "/sign-in/microsoft/callback"
"""Where Microsoft sends a browser back to that signs in to the console, behind http.public_url."""


class EntraRoles(_Section):
    """What people may do who sign in to the console by Microsoft: whoever has none of these does not come in."""

    admin: Holders = Field((), description=_holders("an administrator"))
    operator: Holders = Field((), description=_holders("an operator"))
    auditor: Holders = Field((), description=_holders("an auditor, who reads the text of messages"))


class Entra(_Section):
    """Sign-in to the console by Microsoft Entra ID, beside people who have a password here.

    It needs an app registration of its own with the redirect URI PUBLIC_URL/sign-in/microsoft/callback.
    """

    tenant: Guid = Field("", description="Directory (tenant) ID of the one tenant whose people come in; empty: off.")
    client_id: Guid = Field("", description="Application (client) ID of the app registration.")
    client_secret: Annotated[SecretText, AfterValidator(_is_value)] = Field(
        Secret(""), description="Its client secret: the value, not its ID."
    )
    certificate_file: OptionalPath = Field(
        None, description="Its certificate with the private key (PEM), in place of a secret; read at each sign-in."
    )
    roles: EntraRoles = EntraRoles()

    @property
    def lacks(self) -> tuple[str, ...]:
        """The keys without which it is off, where others are set; none where all or none are."""
        has = {
            "tenant": self.tenant,
            "client_id": self.client_id,
            "client_secret": self.client_secret or self.certificate_file,
            "roles": self.roles.admin or self.roles.operator or self.roles.auditor,
        }
        return tuple(f"console.entra.{key}" for key, value in has.items() if not value) if any(has.values()) else ()

    @property
    def is_on(self) -> bool:
        """Whether people can sign in by it."""
        return bool(self.tenant) and not self.lacks


class Console(_Section):
    """The console: who comes in, beside people who have a password here."""

    entra: Entra = Entra()


class SignIn(_Section):
    """How people sign in to their mailboxes."""

    password_grant: bool = Field(
        False,
        description="Whether a password may be exchanged for tokens (`mailbox sign-in --password`): a help for moving "
        "over, for accounts without a second factor only.",
    )


class MasterKey(_Section):
    """Where the master key is, when it is not in the state folder."""

    key_vault_secret: str = Field(
        "",
        description="Secret of an Azure Key Vault that holds the master key, "
        "https://NAME.vault.azure.net/secrets/NAME; needs the extra `keyvault`.",
    )


def _rise(seconds: tuple[float, ...]) -> tuple[float, ...]:
    if not seconds or list(seconds) != sorted(set(seconds)) or seconds[0] <= 0:
        raise ValueError("must be seconds above 0, each more than the one before")
    return seconds


Seconds = Annotated[tuple[float, ...], BeforeValidator(_words), AfterValidator(_rise)]


def _is_address(text: str) -> str:
    if text and not is_address(text):
        raise PydanticCustomError("address", "it is no mail address")
    return text


AddressText = Annotated[str, AfterValidator(_is_address)]


class Delivery(_Section):
    """How messages leave."""

    per_mailbox: int = Field(
        3, ge=1, le=4, description="Messages of one mailbox sent at the same time; Graph allows 4."
    )
    retry_after_default: float = Field(
        60, gt=0, description="Seconds to wait after a throttling answer that does not say how long."
    )
    request_limit: int = Field(
        REQUEST,
        ge=64 * 1024,
        # What we write into the header comes on top, and Graph takes 4 MiB.
        le=REQUEST,
        description="Bytes of one request to Graph. Base64 makes 4 bytes of 3: a message of more than three quarters "
        "of it goes in pieces, where its mailbox's mode is `draft`, and is refused elsewhere.",
    )
    send_limit: int = Field(
        USUAL_MESSAGE,
        gt=0,
        le=MOST_MESSAGE,
        description="Largest message that Exchange takes, in bytes, unless a mailbox says otherwise; for mail by SMTP "
        "raise smtp.max_size too. Exchange's own default is 35 MB, an administrator can allow up to 150 MB.",
    )
    settle: Seconds = Field(
        (120, 300, 900),
        description="Seconds after an attempt with an unclear answer at which the mailbox is looked into; after the "
        "last of them the message is sent again if it is not there.",
    )
    transport: Literal["auto", "graph", "smtp"] = Field(
        "auto",
        description="How mail leaves of mailboxes for which nobody chose (`pillarbox mailbox change --transport`): "
        "through Microsoft Graph, by SMTP with XOAUTH2, or auto: Graph, and SMTP for what Graph cannot send, where a "
        "person who signed in has allowed it.",
    )
    max_age: float = Field(
        48 * 3600,
        gt=0,
        description="Seconds that a message is tried, unless its submitter or itself says otherwise; a message that "
        "Microsoft did not take in that time has failed.",
    )
    bounce_mailbox: AddressText = Field(
        "",
        description="One of our mailboxes: it sends bounces and warnings that the message's own mailbox cannot send, "
        "and gets those whose sender may not be written to. Empty: there are none then.",
    )
    bounce_domains: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        (), description="Domains besides the mailbox's own whose senders are told what became of their messages."
    )
    postmaster: AddressText = Field(
        "", description="Address that gets a copy of every bounce, and is told of messages that have no sender to tell."
    )
    delay_warning: float = Field(
        0, ge=0, description="Age in seconds at which the sender of a message that still waits is told, once; 0: never."
    )
    read_reports: float = Field(
        600,
        ge=0,
        description="Seconds between two looks into mailboxes that may be read for reports that sent mail was not "
        "delivered; 0: never.",
    )
    read_traces: float = Field(
        600,
        ge=0,
        description="Seconds between two looks into Exchange's message trace for what became of sent mail, where an "
        "app registration has the right ExchangeMessageTrace.Read.All; 0: never.",
    )
    stop_timeout: float = Field(30, gt=0, description="Seconds that a stopping service waits for what is in flight.")


class Retention(_Section):
    """How long is kept what came to its end."""

    sent_bodies: float = Field(
        0,
        ge=0,
        description="Seconds that the whole of a message is kept after it was sent, before no more than its header is; "
        "0: it is dropped at once.",
    )
    messages: float = Field(
        30 * 86_400,
        ge=0,
        description="Seconds that a message that was sent, bounced, canceled or has failed is kept, with its header "
        "and its trace.",
    )
    events: float = Field(30 * 86_400, ge=0, description="Seconds that events are kept, and links that have ended.")
    audit: float = Field(400 * 86_400, ge=0, description="Seconds that it is kept who did what.")


def _lifted(text: str) -> str:
    return f"{text}; 0: no limit."


class Limited(_Section):
    """What is sent of a mailbox in a while, as Microsoft allows it; all that it is asked for counts."""

    messages: int = Field(30, ge=0, description=_lifted("Messages of a mailbox in a minute"))
    recipients: int = Field(10_000, ge=0, description=_lifted("Recipients of a mailbox in 24 hours"))
    bytes: int = Field(150_000_000, ge=0, description=_lifted("Bytes of a mailbox in 5 minutes, as base64"))
    requests: int = Field(10_000, ge=0, description=_lifted("Requests for a mailbox in 10 minutes"))
    app_concurrency: int = Field(
        0, ge=0, description=_lifted("Messages and look-ups of an app registration at the same time, all mailboxes")
    )
    app_requests: int = Field(0, ge=0, description=_lifted("Requests of an app registration in 10 minutes"))


class Log(_Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")
    format: Literal["text", "json"] = Field("text", description="One line of key=value pairs, or of JSON, per event.")


class Settings(_Section):
    """All settings."""

    state_dir: NeededPath = Field(
        default_factory=lambda: default_state_dir(os.environ),
        description="Folder of the store, the master key and the self-made certificate.",
    )
    socket: NeededPath = Field(
        default_factory=lambda: default_socket(os.environ),
        description="Local socket of the service. Commands do not read the settings to find it: where it is not the "
        "default, say PILLARBOX_SOCKET or `--socket`.",
    )
    master_key: SecretText = Field(
        Secret(""),
        description="Key that seals secrets in the store (64 hexadecimal digits; older keys may stand behind it); "
        "empty: the file `master.key` in the state folder, made at first start.",
    )
    smtp: Smtp = Smtp()
    sendmail: Sendmail = Sendmail()
    microsoft: Microsoft = Microsoft()
    http: Http = Http()
    admin: Admin = Admin()
    console: Console = Console()
    sign_in: SignIn = SignIn()
    vault: MasterKey = MasterKey()
    delivery: Delivery = Delivery()
    limits: Limited = Limited()
    retention: Retention = Retention()
    log: Log = Log()

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, key: str) -> str:
        """Where the value of this dotted key came from: a file, a variable, a flag, or "default"."""
        return self._origins.get(key, "default")

    def addresses(self) -> Cloud:
        """The cloud's addresses with the set ones in their place. Raises ConfigError for an address that cannot be."""
        given = self.microsoft
        base = CLOUDS.get(given.cloud, NOWHERE)
        return Cloud(
            authority_url=self._url("authority_url") or base.authority_url,
            graph_url=self._url("graph_url") or base.graph_url,
            smtp_host=given.smtp_host or base.smtp_host,
            smtp_port=given.smtp_port or base.smtp_port,
            imap_host=given.imap_host or base.imap_host,
            imap_port=given.imap_port or base.imap_port,
            exchange_url=self._url("exchange_url") or base.exchange_url,
            outlook_url=self._url("outlook_url") or base.outlook_url,
        )

    def _url(self, name: str) -> str:
        """An address of the section microsoft, without a slash at its end; empty where it is the cloud's."""
        url, key = str(getattr(self.microsoft, name)), f"microsoft.{name}"
        if not url and self.microsoft.cloud == "custom" and not getattr(NOWHERE, name):
            raise ConfigError("config.custom_cloud", place=self.origin("microsoft.cloud"), key=key)
        if url and not url.startswith("https://"):
            raise ConfigError("config.not_https", place=self.origin(key), key=key)
        if url and not _is_url(url):
            raise ConfigError("config.bad_url", place=self.origin(key), key=key)
        return url.rstrip("/")


NOWHERE: Final = Cloud("", "", "", 587, "", 993, CLOUDS["global"].exchange_url, CLOUDS["global"].outlook_url)
"""What the cloud `custom` has where nothing is set. Exchange's URLs are names of a resource that nobody connects to."""
_URL: Final = re.compile(r"https://(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]+)?(?:/[\w.~%!$&'()*+,;=:@/-]*)?", re.ASCII)


def _is_url(text: str) -> bool:
    try:
        return _URL.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:  # an IPv6 address or a port that is none
        return False


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """Read all layers. Raises ConfigError that names the place, the key and the cure."""
    layers = [_environment_layer(environ), _flag_layer(flags)]
    if file is not None:
        layers.insert(0, _file_layer(file))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for key, (value, origin) in layer.items():
            _put(values, key, value, origin)
            origins[key] = origin
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, origins) from error
    settings._origins = origins
    return settings


def describe(section: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each setting's dotted key and its field, in the order of the reference page."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Section):
            yield from describe(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


_Layer = Mapping[str, tuple[Any, str]]
"""Dotted key -> value and where it came from."""
_MOST_CHARACTERS: Final = 65_536
"""What is longer is no secret."""


def _file_layer(file: Path) -> _Layer:
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError("config.unreadable_file", file=file, reason=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("config.not_toml", file=file, reason=error) from error
    return {key: (value, str(file)) for key, value in _flatten(tables)}


def _environment_layer(environ: Mapping[str, str]) -> _Layer:
    layer: dict[str, tuple[Any, str]] = {}
    secret_files = {f"{key}_file": key for key in _secrets()}
    known = {key for key, _ in describe()}
    meant = {key.replace(".", "_"): key for key in known | secret_files.keys()}
    for variable, value in sorted(environ.items()):
        key = variable.removeprefix(ENV_PREFIX).lower().replace("__", ".")
        if not variable.startswith(ENV_PREFIX):
            continue
        if key in secret_files:
            layer[secret_files[key]] = (read_secret_file(Path(value), variable), variable)
        elif key in known or "." in key:
            layer[key] = (value, variable)
        elif key in meant:
            raise ConfigError("config.one_underscore", place=variable, variable=_variable(meant[key]))
        # Another name without "__" may be anybody's: Kubernetes injects PILLARBOX_SERVICE_HOST.
    return layer


def _variable(key: str) -> str:
    return ENV_PREFIX + key.upper().replace(".", "__")


def _flag_layer(flags: Mapping[str, str]) -> _Layer:
    if shown := next((key for key in flags if key in _secrets()), None):
        # Everybody on the machine can read the arguments of a process.
        raise ConfigError("config.secret_as_flag", key=shown, variable=_variable(shown))
    return {key: (value, f"--set {key}") for key, value in flags.items()}


def _secrets() -> set[str]:
    return {key for key, field in describe() if field.annotation is Secret}


def read_secret_file(file: Path, variable: str) -> str:
    """The secret in the file that an environment variable names, without blanks around it. Raises ConfigError."""
    reason: object = "it is too long to be a secret"
    try:
        # utf-8-sig: Windows' editors begin a file with a mark that would be part of the secret.
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(_MOST_CHARACTERS + 1)
        if len(text) <= _MOST_CHARACTERS:
            return text.strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
    raise ConfigError("config.unreadable_file", file=f"{file} (named by {variable})", reason=reason)


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _put(values: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError("config.not_a_section", place=origin, key=key, section=section)
    values[name] = value


def _config_error(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    # The number of an item in a list is no part of a key.
    key = ".".join(part for part in first["loc"] if isinstance(part, str))
    below = (origin for name, origin in origins.items() if name.startswith(key + "."))
    place = origins.get(key) or next(below, "settings")
    if first["type"] == "extra_forbidden":
        return ConfigError("config.unknown_key", place=place, key=key)
    return ConfigError("config.wrong_value", place=place, key=key, reason=first["msg"])
