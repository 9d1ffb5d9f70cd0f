"""Where things lie by default: for root, for users, and for a user that a container made up."""

from pathlib import Path

import pytest

from pillarbox.core.places import default_socket, default_state_dir, find_settings_file

NOBODY = 4_000_000_017
"""A user id without an entry in /etc/passwd."""


@pytest.mark.parametrize(
    ("environ", "uid", "socket"),
    [
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 0, "/run/pillarbox/api.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/pillarbox/api.sock"),
        ({}, 7, "/tmp/pillarbox-7/api.sock"),
        ({"XDG_RUNTIME_DIR": ""}, 7, "/tmp/pillarbox-7/api.sock"),
    ],
)
def test_the_socket(environ: dict[str, str], uid: int, socket: str) -> None:
    assert default_socket(environ, uid) == Path(socket)


@pytest.mark.parametrize(
    ("environ", "uid", "folder"),
    [
        ({"HOME": "/home/a"}, 0, "/var/lib/pillarbox"),
        ({"HOME": "/home/a"}, NOBODY, "/home/a/.local/state/pillarbox"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/state"}, NOBODY, "/state/pillarbox"),
        ({"XDG_STATE_HOME": "/state"}, NOBODY, "/state/pillarbox"),
        ({}, NOBODY, "/var/lib/pillarbox"),
        ({"HOME": ""}, NOBODY, "/var/lib/pillarbox"),
    ],
)
def test_the_state_folder(environ: dict[str, str], uid: int, folder: str) -> None:
    assert default_state_dir(environ, uid) == Path(folder)


def test_without_home_the_user_database_knows_it() -> None:
    # /etc/passwd has daemon (1) everywhere.
    assert default_state_dir({}, 1).parts[-3:] == (".local", "state", "pillarbox")


@pytest.mark.parametrize(
    ("variable", "below"),
    [("HOME", ".config/pillarbox/pillarbox.toml"), ("XDG_CONFIG_HOME", "pillarbox/pillarbox.toml")],
)
def test_the_settings_file_below_the_home_folder(variable: str, below: str, tmp_path: Path) -> None:
    assert find_settings_file({variable: str(tmp_path)}, NOBODY) != tmp_path / below
    (tmp_path / below).parent.mkdir(parents=True)
    (tmp_path / below).write_text("")
    assert find_settings_file({variable: str(tmp_path)}, NOBODY) == tmp_path / below


def test_without_a_home_folder_the_settings_file_is_the_named_one_or_none_of_the_users() -> None:
    assert find_settings_file({"PILLARBOX_CONFIG": "/a.toml"}, NOBODY) == Path("/a.toml")
    assert find_settings_file({}, NOBODY) in (None, Path("/etc/pillarbox/pillarbox.toml"))
