"""Users and groups of this machine: whose a user is."""

import grp
import os
import pwd

import pytest

from pillarbox.access import unix_users
from pillarbox.core.accounts import UnixRule
from pillarbox.core.errors import InvalidInput

ME = pwd.getpwuid(os.getuid())
DAEMON = pwd.getpwnam("daemon")
OWN_GROUP = grp.getgrgid(DAEMON.pw_gid).gr_name
NOBODY_HAS = 3_999_999_999


def user(name: str) -> UnixRule:
    return UnixRule("user", name)


def group(name: str) -> UnixRule:
    return UnixRule("group", name)


def test_a_user_by_name_and_by_number() -> None:
    assert unix_users.of_uid({user("root"): "r", user("daemon"): "d"}, DAEMON.pw_uid) == "d"
    assert unix_users.of_uid({user("0"): "r", user(str(DAEMON.pw_uid)): "d"}, DAEMON.pw_uid) == "d"
    assert unix_users.of_uid({user(str(NOBODY_HAS)): "n"}, NOBODY_HAS) == "n"


def test_a_group_by_name_and_by_number() -> None:
    assert unix_users.of_uid({group(OWN_GROUP): "g"}, DAEMON.pw_uid) == "g"
    assert unix_users.of_uid({group(str(DAEMON.pw_gid)): "g"}, DAEMON.pw_uid) == "g"


def test_every_group_of_a_user_counts() -> None:
    for gid in os.getgrouplist(ME.pw_name, ME.pw_gid):
        assert unix_users.of_uid({group(str(gid)): "g"}, ME.pw_uid) == "g"


def test_the_user_goes_before_its_groups() -> None:
    assert unix_users.of_uid({group(OWN_GROUP): "g", user("daemon"): "u"}, DAEMON.pw_uid) == "u"


@pytest.mark.parametrize("uid", [DAEMON.pw_uid, NOBODY_HAS, 2**32 - 1])
def test_nobody_is_anybody_without_a_rule(uid: int) -> None:
    rules = {user("root"): "r", group("root"): "g", user("no-such-user"): "x", group("no-such-group"): "y"}
    assert unix_users.of_uid(rules, uid) is None


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a,b", "-x", "a\n", "a\0b", "x" * 257])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        unix_users.checked(user(name))
    assert caught.value.code == "submitter.bad_unix"


def test_a_number_has_one_form() -> None:
    assert unix_users.checked(user("0033")) == user("33")
    assert unix_users.checked(group("www-data")) == group("www-data")
