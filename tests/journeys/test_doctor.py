"""`pillarbox doctor`: beside a service and without one, and the archive for whoever helps."""

import json
import signal
import tarfile
from pathlib import Path
from typing import Any

from pillarbox.admin.support_archive import without_addresses
from tests.conftest import Microsoft
from tests.journeys.test_test_button import SCANNER, added, flags
from tests.service import pillarbox, serve

CANARY = "canary-3e7d-never-shown"


def by_name(output: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(output)["findings"]:
        found.setdefault(one["name"], []).append(one)
    return found


async def test_without_a_service_the_store_is_examined_all_the_same(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    code, output, errors = await pillarbox("doctor", "--json", *given)
    assert errors == ""
    found = by_name(output)
    assert found["listeners"][0]["severity"] == "skipped"
    assert [(one["severity"], one["code"]) for one in found["mailboxes"]] == [("ok", "doctor.mailboxes")]
    assert {found[name][0]["severity"] for name in ("clock", "writes", "sqlite", "store", "master-key")} == {"ok"}
    problems = [one for those in found.values() for one in those if one["severity"] == "problem"]
    assert code == (1 if problems else 0)
    assert len(microsoft.emulator.ledger) == 0


async def test_beside_a_service_its_doors_answer(microsoft: Microsoft, tmp_path: Path) -> None:
    service = await serve(tmp_path, microsoft.settings)
    code, output, errors = await pillarbox("doctor", "--socket", str(tmp_path / "run" / "api.sock"))
    assert errors == ""
    assert "The listener 'smtp' answers at" in " ".join(output.split())
    # A path is not broken.
    assert [line for line in output.splitlines() if len(line) > 80 and len(line[20:].split()) > 1] == []
    assert code in (0, 1)
    assert await service.end(signal.SIGTERM) == 0


async def test_a_mailbox_that_cannot_send_is_a_problem(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft, secret="abc8Q~" + "wrong-" * 5 + "wrong")
    code, output, _ = await pillarbox("doctor", "--json", *given)
    (finding,) = by_name(output)["mailboxes"]
    assert (code, finding["severity"], finding["evidence"]["mailboxes"]) == (1, "problem", [SCANNER])
    assert finding["title"].startswith(f"{SCANNER}: ")


async def test_the_archive_holds_no_secret_and_no_address(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    secret = microsoft.seed.secrets[microsoft.seed.gateway.client_id]
    environ = {"PILLARBOX_ADMIN__PASSWORD": CANARY, "SSL_CERT_FILE": "/etc/proxy.pem"}
    file = tmp_path / "support.tar.gz"
    await pillarbox("doctor", "--bundle", str(file), *given, environ=environ)
    assert file.stat().st_mode & 0o777 == 0o600
    text = unpacked(file)
    keys = [(tmp_path / "state" / "master.key").read_text().split()[0], secret, CANARY, SCANNER]
    assert [word for word in keys if word in text] == []
    assert "SSL_CERT_FILE" in text
    assert "address-1@removed.invalid" in text

    other = tmp_path / "with.tar.gz"
    await pillarbox("doctor", "--bundle", str(other), "--with-addresses", *given, environ=environ)
    text = unpacked(other)
    assert SCANNER in text
    assert [word for word in keys[:3] if word in text] == []


async def test_without_a_store_the_machine_is_examined_and_none_is_made(microsoft: Microsoft, tmp_path: Path) -> None:
    code, output, errors = await pillarbox("doctor", "--json", *flags(tmp_path, microsoft))
    assert (code, errors) == (1, "")
    found = by_name(output)
    assert [(one["severity"], one["code"]) for one in found["installation"]] == [("problem", "cli.no_store")]
    assert {found[name][0]["severity"] for name in ("clock", "hosts", "sqlite")} == {"ok"}
    assert {one["code"] for name in ("store", "mailboxes") for one in found[name]} == {"doctor.no_store"}
    assert not (tmp_path / "state").exists()


async def test_a_store_that_cannot_be_opened_is_a_finding(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    (tmp_path / "state" / "master.key").unlink()
    file = tmp_path / "support.tar.gz"
    code, output, errors = await pillarbox("doctor", "--json", "--bundle", str(file), *given)
    assert (code, errors) == (1, "")
    found = by_name(output)
    (why,) = found["installation"]
    assert (why["severity"], why["code"].partition(".")[0], bool(why["hint"])) == ("problem", "vault", True)
    assert found["clock"][0]["severity"] == "ok"
    assert "cryptography" in unpacked(file)
    assert not (tmp_path / "state" / "master.key").exists()


async def test_a_service_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    code, _, errors = await pillarbox("doctor", "--socket", str(tmp_path / "none.sock"))
    assert (code, "none.sock" in errors) == (75, True)


def test_addresses_are_taken_out_of_values_and_not_of_their_spelling() -> None:
    value = {"a@contoso.example": ["first\nb@contoso.example", 1, None, "A@contoso.example"]}
    assert without_addresses(value) == {
        "address-1@removed.invalid": ["first\naddress-2@removed.invalid", 1, None, "address-1@removed.invalid"]
    }


async def test_an_archive_is_never_written_over_a_file(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    file = tmp_path / "precious"
    file.write_text("precious")
    code, output, errors = await pillarbox("doctor", "--json", "--bundle", str(file), *given)
    assert (code, file.read_text()) == (1, "precious")
    assert "cannot be written" in errors
    assert by_name(output)["sqlite"][0]["severity"] == "ok"


def unpacked(file: Path) -> str:
    with tarfile.open(file) as archive:
        members = [archive.extractfile(member) for member in archive]
        return "".join(member.read().decode() for member in members if member)
