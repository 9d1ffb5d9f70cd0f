"""Users and groups of this machine: whose a user is."""

import grp
import os
import pwd

import pytest

from pillarbox.access import unix_users
from pillarbox.access.unix_users import UnixTable
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
    assert UnixTable({user("root"): "r", user("daemon"): "d"}).find(DAEMON.pw_uid) == "d"
    assert UnixTable({user("0"): "r", user(str(DAEMON.pw_uid)): "d"}).find(DAEMON.pw_uid) == "d"
    assert UnixTable({user(str(NOBODY_HAS)): "n"}).find(NOBODY_HAS) == "n"


def test_a_group_by_name_and_by_number() -> None:
    assert UnixTable({group(OWN_GROUP): "g"}).find(DAEMON.pw_uid) == "g"
    assert UnixTable({group(str(DAEMON.pw_gid)): "g"}).find(DAEMON.pw_uid) == "g"


def test_every_group_of_a_user_counts() -> None:
    for gid in os.getgrouplist(ME.pw_name, ME.pw_gid):
        assert UnixTable({group(str(gid)): "g"}).find(ME.pw_uid) == "g"


def test_a_user_with_another_group_than_the_database_has_is_judged_by_the_database() -> None:
    """As under newgrp, or in a container that knows more groups: the kernel tells the number of the user alone."""
    table = UnixTable({group(str(NOBODY_HAS)): "g", group(OWN_GROUP): "own"})
    assert table.find(DAEMON.pw_uid) == "own"
    assert table.find(NOBODY_HAS) is None


def test_made_again_it_says_the_same_of_those_it_has_seen() -> None:
    table = UnixTable({group(OWN_GROUP): "g", user("root"): "r"})
    assert table.find(DAEMON.pw_uid) == "g"
    again = table.again()
    assert (again.find(DAEMON.pw_uid), again.find(0), again.find(NOBODY_HAS)) == ("g", "r", None)


def test_numbers_that_are_nobodys_are_not_looked_up_for_ever() -> None:
    table = UnixTable({group(OWN_GROUP): "g"})
    for uid in (DAEMON.pw_uid, *range(NOBODY_HAS, NOBODY_HAS + 50)):
        table.find(uid)
    assert list(table.again()._seen) == [DAEMON.pw_uid]


def test_the_user_goes_before_its_groups() -> None:
    assert UnixTable({group(OWN_GROUP): "g", user("daemon"): "u"}).find(DAEMON.pw_uid) == "u"


@pytest.mark.parametrize("uid", [DAEMON.pw_uid, NOBODY_HAS, 2**32 - 1])
def test_nobody_is_anybody_without_a_rule(uid: int) -> None:
    rules = {user("root"): "r", group("root"): "g", user("no-such-user"): "x", group("no-such-group"): "y"}
    assert UnixTable(rules).find(uid) is None


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a,b", "-x", "a\n", "a\0b", "x" * 257])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        unix_users.checked(user(name))
    assert caught.value.code == "submitter.bad_unix"


def test_a_number_has_one_form() -> None:
    assert unix_users.checked(user("0033")) == user("33")
    assert unix_users.checked(group("www-data")) == group("www-data")
