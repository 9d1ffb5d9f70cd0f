"""The local socket: whose it is, and what stands in its place."""

import socket
from pathlib import Path

import pytest

from pillarbox.core.errors import ConfigError
from pillarbox.endpoints.api.local import bind


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / "api.sock"
    bind(path).close()
    assert path.exists()
    bind(path).close()


def test_a_living_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(ConfigError) as refused:
            bind(path)
    assert refused.value.code == "config.socket_in_use"


def test_anything_but_a_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "important.txt"
    file.write_text("precious")
    with pytest.raises(ConfigError) as refused:
        bind(file)
    assert (refused.value.code, file.read_text()) == ("config.bad_socket", "precious")


def test_a_folder_that_others_may_write_to_further_up_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(ConfigError) as refused:
        bind(tmp_path / "shared" / "ours" / "api.sock")
    assert refused.value.code == "config.bad_socket"


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        bind(folder / "api.sock")
    assert refused.value.code == "config.bad_socket"


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        bind(tmp_path / ("x" * 120) / "api.sock")
