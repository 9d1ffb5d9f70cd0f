"""Canary: every flow and failure once, at DEBUG, with two crashes; then nothing holds a secret, however written."""

import base64
import json
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import pytest
from cryptography.hazmat.primitives import serialization

from pillarbox.core import master_key
from pillarbox.core.vault import Secret, Vault
from pillarbox.emulator import Certificates, SigningKey
from pillarbox.entra.certificates import split
from tests.journeys.failures import FAILURES
from tests.journeys.flows import APPS, IN_A_BROWSER, WITHOUT_A_BROWSER, address, look
from tests.journeys.markers import Markers, forms
from tests.journeys.stage import ALICE, KEPT_PASSWORD, Stage, open_office, open_stage, process_list
from tests.openapi.recorder import Recorder
from tests.unit.emulator.entra.app_key import AppKey

KINDS = {
    *("client secret", "password", "PFX password", "private key", "federated token", "master key", "assertion"),
    *("authorization code", "state", "nonce", "verifier", "device code", "ticket", "cookie"),
    *("refresh token", "access token", "id token"),
}
FOLDERS = {"state", "behind-proxy", "run", "cwd", "tmp"}
"""All that the processes may write to. What they were given, and what Microsoft has, lies beside it."""
BY_PURPOSE = {"--link": "ticket", "--raw": "access token"}
"""Options of commands whose very purpose it is to print a secret."""

# ---- the search


SECRET = "Mårked+/&=% secret"


@pytest.mark.parametrize("form", sorted(forms(SECRET.encode())))
def test_a_marker_is_found_in_every_writing(form: str, tmp_path: Path) -> None:
    markers = Markers()
    markers.add("password", SECRET)
    file = tmp_path / "planted"
    file.write_bytes(b"\x00noise " + forms(SECRET.encode())[form] + b" noise\xff")
    assert list(markers.search(files(tmp_path))) != []
    file.write_bytes(file.read_bytes().replace(forms(SECRET.encode())[form], b""))
    assert list(markers.search(files(tmp_path))) == []


@pytest.mark.parametrize("offset", range(9))
def test_base64_is_found_wherever_the_secret_begins(offset: int) -> None:
    markers = Markers()
    markers.add("password", SECRET)
    whole = b"x" * offset + SECRET.encode() + b"behind it"
    for written in (base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
        assert list(markers.search({"log": written})) != []


def test_a_private_key_is_found_in_its_pem_and_in_its_der() -> None:
    key, markers = AppKey(), Markers()
    markers.add_private_key(key.private_pem)
    kinds, plain = serialization.PrivateFormat, serialization.NoEncryption()
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        for kind in (kinds.PKCS8, kinds.TraditionalOpenSSL):
            assert list(markers.search({"log": key.private.private_bytes(encoding, kind, plain)})) != []
    assert list(markers.search({"log": key.public_pem.encode()})) == []


def test_either_end_of_a_long_token_is_found() -> None:
    markers = Markers()
    markers.add("refresh token", "1.Abegin" + "x" * 400 + "the end" * 8)
    assert list(markers.search({"log": b"1.Abegin" + b"x" * 100 + b"... (cut)"})) != []
    assert list(markers.search({"log": b"..." + b"the end" * 6})) != []


# ---- the journey


@pytest.fixture
async def stage(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Stage]:
    async with (
        open_office(tmp_path / "microsoft", certificates, signing_key, recorder) as office,
        open_stage(office, tmp_path, moved_clock=True, **{"log.level": "debug"}) as opened,
    ):
        yield opened


@pytest.mark.timeout(240)
async def test_no_secret_is_anywhere_after_every_flow_every_failure_and_two_crashes(stage: Stage) -> None:
    listed: set[bytes] = set()
    async with process_list(listed):
        for name, flow in {**APPS, **IN_A_BROWSER, **WITHOUT_A_BROWSER}.items():
            await flow.connect(stage, name)
            assert await look(stage, flow, name) == flow.good_for
        for failure in FAILURES:
            await failure.meet(stage)
        raw = await stage.run("token", "get", "--mailbox", address("secret"), "--raw")
        await crash_in_the_middle_of_a_sign_in(stage)
    answers = api_answers(stage)
    assert await stage.service.end(signal.SIGSEGV) == -signal.SIGSEGV
    crashed = files(stage.folder / "state", but="master.key")
    # The store is whole after that: a command opens it by itself.
    alone = stage.without_a_service("state")
    (await stage.run("mailbox", "test", address("secret"), "--to", ALICE, "--json", **alone)).good()

    markers = gather(stage)
    markers.add_token("access token", raw.good().output.strip())
    assert markers.kinds.keys() == KINDS
    leaks = [
        *markers.search(answers),
        *markers.search(crashed),
        *(leak for name in FOLDERS for leak in markers.search(files(stage.folder / name, but="master.key"))),
        *markers.search({"the service's log": "\n".join(stage.service.lines).encode()}),
        *processes(stage, markers),
        *markers.search({"process list": without_the_kept_password(b"".join(listed))}),
        *addresses(stage, markers),
        *markers.search(
            {
                f"page {n}, {urlsplit(page.url).path.partition('/start/')[0]}": page.html.encode()
                for n, page in enumerate(stage.pages)
            }
        ),
    ]
    assert leaks == []
    # Nothing temporary is left, no core, no file that nobody thought of.
    assert {path.name for path in stage.folder.iterdir()} - {"given", "microsoft", "clock"} == FOLDERS
    assert list((stage.folder / "tmp").iterdir()) == []
    assert [path.name for path in (stage.folder / "cwd").iterdir()] == ["made-here.cer"]
    assert {"state/pillarbox.db", "state/pillarbox.db-wal"} <= crashed.keys()
    what_was_searched_is_what_was_meant(stage)


async def crash_in_the_middle_of_a_sign_in(stage: Stage) -> None:
    """Exceptions that nobody foresaw: with ticket, state and verifier in hand, then with code and all tokens."""
    user = stage.office.person("crash").upn
    async with stage.browser() as person:
        with stage.clock("_start"):
            assert (await person.begin(await stage.link(user))).status == 500
        page = await person.at_microsoft(await stage.link(user), user)
        with stage.clock("proven"):
            assert (await person.come_back(page.location)).status == 500
    broken = "ZeroDivisionError: the clock is broken"
    await stage.service.logged(lambda lines: sum(line.count(broken) for line in lines) >= 2)


def api_answers(stage: Stage) -> dict[str, bytes]:
    """What the API tells whoever may ask it."""
    paths = [f"/api/v1/{noun}" for noun in ("apps", "mailboxes", "submitters", "sends", "status", "vault")]
    paths += [f"/api/v1/apps/{app['name']}/credentials" for app in stage.service.api.get("/api/v1/apps")["data"]]
    paths += [f"/api/v1/sends/{send['id']}" for send in stage.service.api.get("/api/v1/sends")["data"]]
    return {path: json.dumps(stage.service.api.get(path), ensure_ascii=False).encode() for path in paths}


# ---- what is looked for


def gather(stage: Stage) -> Markers:
    """Every secret of the journey: what was given, what Microsoft issued, what lies sealed in the store."""
    markers = Markers()
    for asked in stage.office.ear.heard:
        markers.hear(asked)
    for password in (*stage.office.seed.passwords.values(), KEPT_PASSWORD):
        markers.add("password", password)
    for app in stage.office.seed.tenant.apps.values():
        for secret in app.secrets:
            markers.add("client secret", secret.value)
    for file in (stage.folder / "given").glob("secret-*"):
        text = file.read_text("utf-8").strip()
        if text.startswith("eyJ"):
            markers.add_token("federated token", text)
        elif text.startswith("PFX"):
            markers.add("PFX password", text)
    for page in stage.pages:
        if cookie := page.headers.get("Set-Cookie"):
            markers.add("cookie", cookie.partition("=")[2].partition(";")[0])
        if "/signin/start/" in page.url:
            markers.add("ticket", page.url.rpartition("/")[2])
    for folder in ("state", "behind-proxy"):
        (key,) = master_key.parse((stage.folder / folder / "master.key").read_text(), folder)
        markers.add("master key", key)
    keys = sealed_private_keys(stage)
    assert len(keys) == 2
    for pem in keys:
        markers.add_private_key(pem)
    return markers


def sealed_private_keys(stage: Stage) -> list[str]:
    """The private keys that the store holds, opened in a copy of it: what is searched stays as the crash left it."""
    copy = stage.folder / "given" / "copy"
    shutil.copytree(stage.folder / "state", copy)
    vault = Vault(*master_key.parse((copy / "master.key").read_text(), "copy"))
    database = apsw.Connection(str(copy / "pillarbox.db"))
    rows = list(database.execute("SELECT id, sealed FROM credentials WHERE kind = 'certificate'"))
    database.close()
    opened = (vault.open(sealed, f"credentials/{id}/sealed").decode() for id, sealed in rows)
    return [split(Secret(pem))[0] for pem in opened]


# ---- where it is looked for


def files(folder: Path, *, but: str = "") -> dict[str, bytes]:
    """All files below a folder but those of one name."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != but)
    return {str(path.relative_to(folder.parent)): path.read_bytes() for path in found}


def processes(stage: Stage, markers: Markers) -> Iterator[str]:
    """What could be seen of the processes from outside, and what they said; what they are for aside."""
    for ran in stage.ran:
        name = " ".join(ran.words[:3])
        outside = ran.cmdline + without_the_kept_password(ran.environ)
        yield from markers.search({f"/proc of {name}": outside, f"{name}, errors": ran.errors.encode()})
        allowed = [kind for option, kind in BY_PURPOSE.items() if option in ran.words]
        yield from markers.search({f"{name}, output": ran.output.encode()}, allowed)


def without_the_kept_password(environ: bytes) -> bytes:
    """Less what is there on purpose: that account's password is given by the environment of the service."""
    return environ.replace(f"KEPT_PASSWORD={KEPT_PASSWORD}".encode(), b"")


def addresses(stage: Stage, markers: Markers) -> Iterator[str]:
    """What stood in addresses, and in requests to others than the token endpoint."""
    for asked in stage.office.ear.heard:
        call = asked.call
        name = f"{'browser' if asked.by_browser else 'we'}: {call.method} {call.path}"
        # The browser brings state and nonce to Microsoft: they are made for that.
        by_purpose = ("state", "nonce") if asked.by_browser and call.path.endswith("/authorize") else ()
        yield from markers.search({f"address, {name}": asked.url.encode()}, by_purpose)
        if not asked.by_browser:
            sent = {key: value for key, value in call.headers.items() if key != "Authorization"}
            yield from markers.search({f"headers, {name}": repr(sent).encode()})
            if not call.form:
                yield from markers.search({f"body, {name}": call.body})


def what_was_searched_is_what_was_meant(stage: Stage) -> None:
    """The places that were searched hold what they must hold."""
    known = address("loopback").encode()
    assert any(known in content for content in files(stage.folder / "state").values())
    assert any(known in ran.cmdline for ran in stage.ran)
    assert any(b"PILLARBOX_SOCKET=" in ran.environ for ran in stage.ran)
    assert any(known in page.html.encode() for page in stage.pages)
    for event in (
        "mailbox.signed_in",
        "token.fetched",
        "token.revealed",
        "mail.final",
        "sign_in.refused",
        "unexpected",
    ):
        assert any(f"event={event}" in line for line in stage.service.lines), event
