"""The emulator as a target: seeded, with what a tenant's owner would set up for the cases. Only here is it imported."""

import datetime
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pillarbox.emulator import App as EmulatedApp
from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.background import Background
from pillarbox.emulator.dispatch import Witness
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import GRAPH, KeyCredential
from tests.contract.microsoft.clouds import GLOBAL
from tests.contract.microsoft.target import SNAPSHOTS, App, Person, Target

DAY = 86_400.0
PUBLIC_SCOPES = ("Mail.Send", "exchange:SMTP.Send")
"""What docs/how-to/certify.md tells people to give the public app: with more, its tokens would name more."""


@dataclass(frozen=True)
class Emulated:
    """A running emulator, what was planted in it, and the target that it is for the cases."""

    running: Background
    seed: Seed
    target: Target


@contextmanager
def emulated(
    folder: Path, certificates: Certificates, signing_key: SigningKey, witness: Witness, snapshots: Path = SNAPSHOTS
) -> Iterator[Emulated]:
    """Run one, in a thread of its own; `folder` gets the sender's certificate."""
    planted: list[Seed] = []

    def make(directory: Path) -> Emulator:
        emulator = Emulator(
            directory, certificates=certificates, signing_key=signing_key, witness=witness, exchange=True
        )
        planted.append(seed(emulator.world))
        return emulator

    with Background(make) as running:
        file, public = running.call(lambda: _furnish(running.emulator, planted[0], folder))
        target = _target(running, planted[0])
        yield Emulated(
            running,
            planted[0],
            replace(target, public=App(public.client_id), certificate=file, snapshots=snapshots),
        )


def environment(target: Target, folder: Path) -> dict[str, str]:
    """The variables with which an emulator is taken for a tenant; secrets lie in files of `folder`."""
    (folder / "admin-token").write_text(target.admin_token or "", "utf-8")
    values: Mapping[str, str | None] = {
        "TENANT_ID": target.tenant,
        "AUTHORITY_URL": target.authority,
        "GRAPH_URL": target.graph,
        "SMTP": "{}:{}".format(*target.smtp),
        "IMAP": "{}:{}".format(*target.imap),
        "CA_FILE": str(target.ca_file),
        "SENDER_ADDRESS": target.sender_address,
        "RECIPIENT_ADDRESS": target.recipient_address,
        "CERTIFICATE_FILE": str(target.certificate),
        "CLOSED_ADDRESS": target.closed,
        "BARE_ADDRESS": target.bare,
        "USER_ADDRESS": target.person.address if target.person else None,
        "USER_PASSWORD": target.person.password if target.person else None,
        "ADMIN_TOKEN_FILE": str(folder / "admin-token"),
        "PATIENCE": "5",
        "SNAPSHOTS": str(target.snapshots),
    }
    for name in ("sender", "keeper", "nobody", "exchange", "public"):
        app: App = getattr(target, name)
        values = {**values, f"{name.upper()}_CLIENT_ID": app.client_id, f"{name.upper()}_CLIENT_SECRET": app.secret}
    return {"TARGET": "tenant"} | {f"CERTIFY_{name}": value for name, value in values.items() if value}


def _furnish(emulator: Emulator, planted: Seed, folder: Path) -> tuple[Path, EmulatedApp]:
    """A certificate for the sender, a mailbox closed to the app of Exchange, and a public app as the page has it."""
    exchange = planted.exchange.principal
    assert exchange is not None
    closed = planted.user("helpdesk").mailbox
    assert closed is not None
    closed.full_access.discard(exchange.id)
    file = folder / "sender.pem"
    now = time.time()
    credential = KeyCredential(planted.tenant.id, _certificate(file), now - DAY, now + DAY)
    planted.gateway.certificates.append(credential)
    return file, emulator.world.add_app("Public", scopes=PUBLIC_SCOPES, tenant=planted.tenant, public=True)


def _certificate(file: Path) -> bytes:
    """Write a self-made certificate with its key, as `openssl req -x509` makes them; give its DER."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pillarbox-certify")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    certificate = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + pem)
    return certificate.public_bytes(Encoding.DER)


def _target(running: Background, planted: Seed) -> Target:
    emulator, facts = running.emulator, running.facts
    person = planted.user("carol")

    def app(each: EmulatedApp) -> App:
        return App(each.client_id, planted.secrets.get(each.client_id, ""))

    return Target(
        kind="emulator",
        cloud=GLOBAL,
        authority=emulator.url,
        graph=emulator.url,
        smtp=(facts["smtp"]["host"], facts["smtp"]["port"]),
        imap=(facts["imap"]["host"], facts["imap"]["port"]),
        ca_file=emulator.ca_file,
        tenant=planted.tenant.id,
        sender=app(planted.gateway),
        keeper=app(planted.writer),
        nobody=app(planted.unconsented),
        exchange=app(planted.exchange),
        sender_address=planted.user("scanner").upn,
        recipient_address=planted.user("bob").upn,
        person=Person(person.upn, planted.passwords[person.upn]),
        closed=planted.user("helpdesk").upn,
        bare=planted.user("nomailbox").upn,
        admin_token=running.call(lambda: _admin_token(emulator, planted)),
    )


def _admin_token(emulator: Emulator, planted: Seed) -> str:
    principal = planted.setup.principal
    assert principal is not None
    scopes = ("Application.ReadWrite.All", "RoleManagement.ReadWrite.Exchange")
    admin, audience = planted.user("admin"), GRAPH.identifiers[0]
    return emulator.tokens.user_token(planted.tenant, principal, admin, scopes, audience, emulator.clock(), "none")
