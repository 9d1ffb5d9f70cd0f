"""The command line: what Sendmail and Postfix take is taken, and means the same."""

import os

import pytest

from pillarbox.sendmail.options import Options, parse
from pillarbox.sendmail.problem import Problem


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("a@b c@d", Options(recipients=("a@b", "c@d"))),
        ("-t -i", Options(from_header=True, dot_ends=False)),
        ("-ti", Options(from_header=True, dot_ends=False)),
        ("-oi -t", Options(from_header=True, dot_ends=False)),
        ("-o i -t", Options(from_header=True, dot_ends=False)),
        ("-f a@b c@d", Options(sender="a@b", recipients=("c@d",))),
        ("-fa@b c@d", Options(sender="a@b", recipients=("c@d",))),
        ("-tifa@b", Options(from_header=True, dot_ends=False, sender="a@b")),
        ("-ti -f <a@b>", Options(from_header=True, dot_ends=False, sender="<a@b>")),
        ("-r a@b x", Options(sender="a@b", recipients=("x",))),
        ("-f <> x", Options(sender="<>", recipients=("x",))),
        ("-FCronDaemon -i -B8BITMIME -oem root", Options(full_name="CronDaemon", dot_ends=False, recipients=("root",))),
        ("-F Cron x", Options(full_name="Cron", recipients=("x",))),
        ("-odi -oem -oi -om x", Options(dot_ends=False, recipients=("x",))),
        ("-bm -v x", Options(verbose=True, recipients=("x",))),
        ("-bs", Options(mode="smtp")),
        ("-bp", Options(mode="queue")),
        ("-bi", Options(mode="nothing")),
        ("-q", Options(mode="nothing")),
        ("-q30m", Options(mode="nothing")),
        ("-I", Options(mode="nothing")),
        ("-Am -Ac x", Options(recipients=("x",))),
        ("-L tag -h 3 -p ESMTP:x -X /dev/null -O DeliveryMode=b -C/etc/x x", Options(recipients=("x",))),
        ("-G -U -m -n -E -T -D /dev/null -Z x", Options(recipients=("x",))),
        ("-N never -R hdrs -V id=1 x", Options(notify="NEVER", ret="HDRS", envid="id+3D1", recipients=("x",))),
        ("-Nfailure,delay -RFULL -Vab x", Options(notify="FAILURE,DELAY", ret="FULL", envid="ab", recipients=("x",))),
        ("-- -t", Options(recipients=("-t",))),
        ("x -t", Options(recipients=("x", "-t"))),
        ("-bz x", Options(recipients=("x",))),
        ("-bq x", Options(recipients=("x",))),
        ("-bv x", Options(mode="verify", recipients=("x",))),
        ("--help", Options(mode="help")),
        ("--version", Options(mode="version")),
    ],
)
def test_options_mean_what_they_mean_to_sendmail(arguments: str, wanted: Options) -> None:
    assert parse("/usr/sbin/sendmail", arguments.split()) == wanted


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("/usr/bin/mailq", "queue"),
        ("newaliases", "nothing"),
        ("/usr/lib/sendmail", "send"),
        ("pillarbox-sendmail", "send"),
    ],
)
def test_its_name_says_what_it_does(name: str, mode: str) -> None:
    assert parse(name, []).mode == mode


@pytest.mark.parametrize(
    "arguments", ["-f", "-F", "-ti -f", "-bd", "-bt", "-b D", "-N sometimes", "-N never,failure", "-R some", "-V ä"]
)
def test_what_cannot_be_done_is_a_mistake_in_the_call(arguments: str) -> None:
    with pytest.raises(Problem) as raised:
        parse("sendmail", arguments.split())
    assert raised.value.exit_code == os.EX_USAGE
