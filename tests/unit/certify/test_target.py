"""The variables CERTIFY_* describe a tenant whole, or the run does not begin."""

from pathlib import Path

import pytest

from tests.contract.microsoft.__main__ import plan
from tests.contract.microsoft.clouds import CLOUDS
from tests.contract.microsoft.target import NEEDED, SECRETS, Missing, of_environment

GIVEN = {name: f"value-of-{name.lower()}" for name in NEEDED} | {"CERTIFY_SENDER_ADDRESS": "anna@fabrikam.example"}
SECRET = "hush~hush"


def test_what_is_needed_is_enough() -> None:
    target = of_environment(GIVEN)
    assert target.authority == "https://login.microsoftonline.com"
    assert target.smtp == ("smtp.office365.com", 587)
    assert target.domain == "fabrikam.example"
    assert target.patience > 60


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(Missing) as refusal:
        of_environment({"CERTIFY_TENANT_ID": "x", "CERTIFY_SENDER_CLIENT_ID": " "})
    assert [name for name in NEEDED if name in str(refusal.value)] == [*NEEDED[1:]]


@pytest.mark.parametrize("name", ["CERTIFY_SENDER_SECRET", "CERTIFY_TENANT_ID_FILE"])
def test_unknown_variable_is_refused(name: str) -> None:
    with pytest.raises(Missing, match=name):
        of_environment(GIVEN | {name: "x"})


def test_unknown_cloud_is_refused() -> None:
    with pytest.raises(Missing, match="global, gcc-high, dod, china"):
        of_environment(GIVEN | {"CERTIFY_CLOUD": "germany"})


@pytest.mark.parametrize("name", CLOUDS)
def test_cloud_brings_its_hosts(name: str) -> None:
    target = of_environment(GIVEN | {"CERTIFY_CLOUD": name})
    cloud = CLOUDS[name]
    assert (target.authority, target.graph, target.imap) == (cloud.authority, cloud.graph, cloud.imap)


def test_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    given = {name: value for name, value in GIVEN.items() if name != "CERTIFY_KEEPER_CLIENT_SECRET"}
    target = of_environment(given | {"CERTIFY_KEEPER_CLIENT_SECRET_FILE": str(tmp_path / "secret")})
    assert target.keeper.secret == SECRET


@pytest.mark.parametrize("name", ["CERTIFY_KEEPER_CLIENT_SECRET_FILE", "CERTIFY_CA_FILE", "CERTIFY_CERTIFICATE_FILE"])
def test_file_may_lie_in_the_home_folder(name: str) -> None:
    (Path.home() / "file").write_text(SECRET, "utf-8")
    target = of_environment(GIVEN | {name: "~/file"})
    assert {SECRET, Path.home() / "file"} & {target.keeper.secret, target.ca_file, target.certificate}


def test_snapshots_may_lie_in_the_home_folder() -> None:
    assert of_environment(GIVEN | {"CERTIFY_SNAPSHOTS": "~/seen"}).snapshots == Path.home() / "seen"


@pytest.mark.parametrize("name", ["CERTIFY_KEEPER_CLIENT_SECRET_FILE", "CERTIFY_CA_FILE", "CERTIFY_CERTIFICATE_FILE"])
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("~/absent", "No such file"),
        ("~", "Is a directory"),
        ("~nobody-of-that-name/x", "home"),
        ("~/empty", "is empty"),
        ("~/bytes", "not UTF-8"),
    ],
)
def test_file_that_cannot_be_read_is_named_with_its_variable(name: str, file: str, reason: str) -> None:
    (Path.home() / "empty").write_text("\n", "utf-8")
    (Path.home() / "bytes").write_bytes(b"\xff")
    with pytest.raises(Missing, match=rf"^{name}: .*{reason}"):
        of_environment(GIVEN | {name: file})


def test_further_names_are_private() -> None:
    assert of_environment(GIVEN | {"CERTIFY_NAMES": "Drossel & Co.; Elsbeth ;"}).names == ("Drossel & Co.", "Elsbeth")


def test_no_secret_is_shown() -> None:
    more = {"CERTIFY_EXCHANGE_CLIENT_ID": "x", "CERTIFY_USER_ADDRESS": "x@fabrikam.example"}
    target = of_environment(GIVEN | more | dict.fromkeys(SECRETS, SECRET))
    assert SECRET not in repr(target)
    assert SECRET not in plan(target)
    assert (SECRET, "<token>") in [*target.known()]


def test_plan_names_mailboxes_and_what_is_left_out() -> None:
    text = plan(of_environment(GIVEN))
    assert GIVEN["CERTIFY_SENDER_ADDRESS"] in text
    assert GIVEN["CERTIFY_RECIPIENT_ADDRESS"] in text
    assert "cases that need: exchange" in text
