"""Whom the cases speak to: an emulator, or the tenant that the variables CERTIFY_* describe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.contract.microsoft.clouds import CLOUDS, GLOBAL, Address, Cloud

SNAPSHOTS = Path(__file__).with_name("snapshots")
PATIENCE = 180.0
"""Seconds until mail that does not arrive at a tenant is given up."""


@dataclass(frozen=True)
class App:
    """An app registration; a public one has no secret."""

    client_id: str
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in by password alone."""

    address: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Target:
    """All that a case must know.

    Apps: `sender` may send as the two mailboxes (Mail.Send), `keeper` keeps them (Mail.ReadWrite, Mail.Send), `nobody`
    was given nothing, `exchange` speaks SMTP and IMAP as itself, `public` signs people in without a secret.
    `certificate` is a PEM file with the sender's certificate and its key. `closed` is a mailbox to which `exchange` has
    no right, `bare` an account without a mailbox. `admin_token` is an access token for Graph of an administrator.
    `patience` is in seconds. `names` are further words that are private.
    """

    kind: Literal["emulator", "tenant"]
    cloud: Cloud
    authority: str
    graph: str
    smtp: Address
    imap: Address
    ca_file: Path | None
    tenant: str
    sender: App
    keeper: App
    nobody: App
    sender_address: str
    recipient_address: str
    exchange: App | None = None
    public: App | None = None
    person: Person | None = None
    certificate: Path | None = None
    closed: str | None = None
    bare: str | None = None
    admin_token: str | None = field(default=None, repr=False)
    patience: float = 0.0
    names: tuple[str, ...] = ()
    snapshots: Path = SNAPSHOTS

    @property
    def domain(self) -> str:
        """The domain of the sender."""
        return self.sender_address.rpartition("@")[2]

    @property
    def is_tenant(self) -> bool:
        """Whether answers are Microsoft's, and are written down."""
        return self.kind == "tenant"

    @property
    def apps(self) -> dict[str, App]:
        """The apps that there are, by what they are for."""
        apps = {name: getattr(self, name) for name in ("sender", "keeper", "nobody", "exchange", "public")}
        return {name: app for name, app in apps.items() if app}

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses that there are, by whose they are."""
        person = self.person.address if self.person else None
        addresses = {"sender": self.sender_address, "recipient": self.recipient_address}
        more = {"closed": self.closed, "bare": self.bare, "person": person}
        return addresses | {name: address for name, address in more.items() if address}

    def known(self) -> Iterator[tuple[str, str]]:
        """All that may not be written down, each with the placeholder for it; names are looked up (`names.py`)."""
        for name, app in self.apps.items():
            yield app.client_id, f"<client:{name}>"
            yield app.secret, f"<secret:{name}>"
        if self.person:
            yield self.person.password, "<password>"
        addresses = self.addresses
        yield from ((address, f"<address:{name}>") for name, address in addresses.items())
        yield from ((address.rpartition("@")[2], "<domain>") for address in addresses.values())
        yield self.tenant, "<tenant>"
        yield self.admin_token or "", "<token>"


class Missing(Exception):
    """Settings that a tenant needs are not there; the text names them all."""


NEEDED = (
    "CERTIFY_TENANT_ID",
    "CERTIFY_SENDER_CLIENT_ID",
    "CERTIFY_SENDER_CLIENT_SECRET",
    "CERTIFY_KEEPER_CLIENT_ID",
    "CERTIFY_KEEPER_CLIENT_SECRET",
    "CERTIFY_NOBODY_CLIENT_ID",
    "CERTIFY_NOBODY_CLIENT_SECRET",
    "CERTIFY_SENDER_ADDRESS",
    "CERTIFY_RECIPIENT_ADDRESS",
)
SECRETS = (
    "CERTIFY_SENDER_CLIENT_SECRET",
    "CERTIFY_KEEPER_CLIENT_SECRET",
    "CERTIFY_NOBODY_CLIENT_SECRET",
    "CERTIFY_EXCHANGE_CLIENT_SECRET",
    "CERTIFY_USER_PASSWORD",
    "CERTIFY_ADMIN_TOKEN",
)
"""These may also be named by the file that holds them: CERTIFY_..._FILE."""
FILES = ("CERTIFY_CERTIFICATE_FILE", "CERTIFY_CA_FILE")
"""Files that are read later in the run, and better missed before it."""
OPTIONAL = (
    "CERTIFY_EXCHANGE_CLIENT_ID",
    "CERTIFY_EXCHANGE_CLIENT_SECRET",
    "CERTIFY_PUBLIC_CLIENT_ID",
    "CERTIFY_USER_ADDRESS",
    "CERTIFY_USER_PASSWORD",
    "CERTIFY_CERTIFICATE_FILE",
    "CERTIFY_CLOSED_ADDRESS",
    "CERTIFY_BARE_ADDRESS",
    "CERTIFY_ADMIN_TOKEN",
    "CERTIFY_NATIONAL_CLOUDS",
    "CERTIFY_CLOUD",
    "CERTIFY_AUTHORITY_URL",
    "CERTIFY_GRAPH_URL",
    "CERTIFY_SMTP",
    "CERTIFY_IMAP",
    "CERTIFY_CA_FILE",
    "CERTIFY_PATIENCE",
    "CERTIFY_NAMES",
    "CERTIFY_SNAPSHOTS",
)


def of_environment(environ: Mapping[str, str]) -> Target:
    """The tenant that the variables describe; Missing if one that is needed is not there or one is not known."""
    given = _given(environ)
    _check(given)
    cloud = CLOUDS[given.get("CERTIFY_CLOUD", GLOBAL.name)]
    return Target(
        kind="tenant",
        cloud=cloud,
        authority=given.get("CERTIFY_AUTHORITY_URL", cloud.authority).rstrip("/"),
        graph=given.get("CERTIFY_GRAPH_URL", cloud.graph).rstrip("/"),
        smtp=_address(given.get("CERTIFY_SMTP"), cloud.smtp),
        imap=_address(given.get("CERTIFY_IMAP"), cloud.imap),
        ca_file=_path(given, "CERTIFY_CA_FILE"),
        tenant=given["CERTIFY_TENANT_ID"],
        sender=_app(given, "SENDER"),
        keeper=_app(given, "KEEPER"),
        nobody=_app(given, "NOBODY"),
        sender_address=given["CERTIFY_SENDER_ADDRESS"],
        recipient_address=given["CERTIFY_RECIPIENT_ADDRESS"],
        exchange=_app(given, "EXCHANGE") if "CERTIFY_EXCHANGE_CLIENT_ID" in given else None,
        public=_app(given, "PUBLIC") if "CERTIFY_PUBLIC_CLIENT_ID" in given else None,
        person=_person(given),
        certificate=_path(given, "CERTIFY_CERTIFICATE_FILE"),
        closed=given.get("CERTIFY_CLOSED_ADDRESS"),
        bare=given.get("CERTIFY_BARE_ADDRESS"),
        admin_token=given.get("CERTIFY_ADMIN_TOKEN"),
        patience=float(given.get("CERTIFY_PATIENCE", PATIENCE)),
        names=tuple(filter(None, map(str.strip, given.get("CERTIFY_NAMES", "").split(";")))),
        snapshots=snapshots_of(given),
    )


def snapshots_of(environ: Mapping[str, str]) -> Path:
    """The folder of the snapshots."""
    return _path(environ, "CERTIFY_SNAPSHOTS") or SNAPSHOTS


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    given = {name: value.strip() for name, value in environ.items() if name.startswith("CERTIFY_") and value.strip()}
    for name in SECRETS:
        if f"{name}_FILE" in given:
            given[name] = _contents(given, f"{name}_FILE").strip()
            del given[f"{name}_FILE"]
    for name in FILES:
        if name in given:
            _contents(given, name)
    return given


def _contents(given: Mapping[str, str], name: str) -> str:
    """What the file holds that the variable names; a Missing that names both if nothing can be read."""
    file = _path(given, name)
    assert file is not None
    try:
        contents = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Missing(f"{name}: {file}: {reason}") from error
    if not contents.strip():
        raise Missing(f"{name}: {file} is empty")
    return contents


def _check(given: Mapping[str, str]) -> None:
    missing = [name for name in NEEDED if name not in given]
    unknown = sorted(given.keys() - {*NEEDED, *SECRETS, *OPTIONAL})
    if missing:
        raise Missing(f"TARGET=tenant needs {', '.join(missing)}: see docs/how-to/certify.md")
    if unknown:
        raise Missing(f"TARGET=tenant does not know {', '.join(unknown)}: see docs/how-to/certify.md")
    if given.get("CERTIFY_CLOUD", GLOBAL.name) not in CLOUDS:
        raise Missing(f"CERTIFY_CLOUD is one of {', '.join(CLOUDS)}")


def _app(given: Mapping[str, str], name: str) -> App:
    return App(given[f"CERTIFY_{name}_CLIENT_ID"], given.get(f"CERTIFY_{name}_CLIENT_SECRET", ""))


def _person(given: Mapping[str, str]) -> Person | None:
    if "CERTIFY_USER_ADDRESS" not in given:
        return None
    return Person(given["CERTIFY_USER_ADDRESS"], given.get("CERTIFY_USER_PASSWORD", ""))


def _path(given: Mapping[str, str], name: str) -> Path | None:
    """`~` is a home folder here too: a shell leaves it alone in quotes, and .env files have no shell."""
    try:
        return Path(given[name]).expanduser() if name in given else None
    except RuntimeError as error:
        raise Missing(f"{name}: {given[name]}: {error}") from error


def _address(text: str | None, usual: Address) -> Address:
    if text is None:
        return usual
    host, _, port = text.rpartition(":")
    return host, int(port)
