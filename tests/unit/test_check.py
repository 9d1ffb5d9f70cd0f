"""`gateway.check` finds what `serve` would stumble over in files and folders, and changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox import gateway
from pillarbox.core.errors import ConfigError
from pillarbox.core.settings import load


def check(folder: Path, environ: dict[str, str] | None = None, **flags: str) -> ConfigError | None:
    """Check a gateway that would live in `folder`; what is wrong with it."""
    given = {"state_dir": str(folder / "state"), "socket": str(folder / "api.sock")}
    settings = load(None, {}, given | {key.replace("__", "."): value for key, value in flags.items()})
    try:
        gateway.check(settings, environ or {})
    except ConfigError as error:
        return error
    return None


def problem(folder: Path, environ: dict[str, str] | None = None, **flags: str) -> tuple[str, str]:
    """Code and sentence of what is wrong."""
    error = check(folder, environ, **flags)
    assert error is not None
    return error.code, error.sentence


def test_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    assert check(tmp_path, state_dir=str(tmp_path / "a" / "b" / "state")) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["file", "file/state", "file/a/b"])
def test_a_file_in_the_way_of_the_state_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    code, sentence = problem(tmp_path, state_dir=str(tmp_path / below))
    assert (code, "is not a folder" in sentence, str(tmp_path / below) in sentence) == ("config.state_dir", True, True)


def test_a_link_to_nowhere_in_the_way_of_the_state_folder(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to("nowhere")
    assert problem(tmp_path)[0] == "config.state_dir"


@pytest.fixture
def _not_root() -> Iterator[None]:
    """access(2) asks for the real user, who is not root here; the effective one stays, so that there is a way back."""
    real, effective, saved = os.getresuid()
    os.setresuid(real or 1, effective, saved)
    yield
    os.setresuid(real, effective, saved)


@pytest.mark.usefixtures("_not_root")
def test_a_folder_that_only_root_may_write_to(tmp_path: Path) -> None:
    code, sentence = problem(tmp_path, state_dir="/nowhere/state")
    assert (code, "/nowhere/state" in sentence) == ("config.state_dir", True)
    assert sentence.endswith(": / is not writable.")


@pytest.mark.parametrize(("length", "good"), [(107, True), (108, False)])
def test_the_longest_path_of_the_socket(tmp_path: Path, length: int, good: bool) -> None:
    path = "/".ljust(length - 2, "s") + "ü"
    error = check(tmp_path, socket=path)
    assert (error is None) == good
    if error is not None:
        assert (error.code, str(error.params["reason"])) == ("config.bad_socket", "longer than 107 bytes")


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [("00" * 32, 0o640, "vault.key_readable"), ("00" * 31, 0o600, "vault.key_format"), ("00" * 32, 0o600, None)],
)
def test_the_file_of_the_master_key(tmp_path: Path, content: str, mode: int, code: str | None) -> None:
    (tmp_path / "state").mkdir()
    key = tmp_path / "state" / "master.key"
    key.write_text(content)
    key.chmod(mode)
    error = check(tmp_path)
    assert (error and error.code) == code
    assert error is None or str(key) in error.sentence


def test_a_useless_proxy_matters_for_each_of_the_two_addresses_that_go_through_it(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "socks5://127.0.0.1:1080"}
    assert problem(tmp_path, environ)[0] == "config.wrong_value"
    assert problem(tmp_path, environ, microsoft__graph_url="https://localhost")[0] == "config.wrong_value"
    assert problem(tmp_path, environ, microsoft__authority_url="https://localhost")[0] == "config.wrong_value"
    here = {"microsoft__graph_url": "https://localhost", "microsoft__authority_url": "https://[::1]:1"}
    assert check(tmp_path, environ, **here) is None


def test_a_key_without_its_certificate_is_named_with_what_set_it(tmp_path: Path) -> None:
    found = problem(tmp_path, smtp__tls_key_file="key.pem")
    assert found[0] == "config.key_without_certificate"
    assert found[1].startswith("--set smtp.tls_key_file: ")
