"""The program as a whole, with a service that plays along, and with services that do not."""

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.unit.sendmail.conftest import HANG_UP, FakeService, MakeService
from tests.unit.sendmail.program import Program

MAIL = b"From: shop@contoso.example\nTo: alice@contoso.example\nSubject: hi\nMessage-ID: <1@x>\n\nhello\n"
LARGE = 35_000_000


# ---- envelope


async def test_a_mail_is_handed_in(service: FakeService, program: Program) -> None:
    ended = await program.run(MAIL, "-i", "-f", "ops@contoso.example", "bob@contoso.example")
    assert (ended.code, ended.output, ended.errors) == (0, b"", "")
    assert service.data == [MAIL.replace(b"\n", b"\r\n")]
    assert service.commands[1:] == [
        f"MAIL FROM:<ops@contoso.example> SIZE={len(service.data[0])}",
        "RCPT TO:<bob@contoso.example>",
        "DATA",
        "QUIT",
    ]


async def test_without_f_it_is_sent_by_its_author(service: FakeService, program: Program) -> None:
    assert (await program.run(MAIL, "bob@contoso.example")).code == 0
    assert service.commands[1].startswith("MAIL FROM:<shop@contoso.example>")


async def test_who_may_not_be_its_author_sends_as_the_service_knows_them(
    make_service: MakeService, program: Program
) -> None:
    service = await make_service({"MAIL FROM:<shop@": "553 5.7.1 'cron' may not send as <shop@contoso.example>"})
    assert (await program.run(MAIL, "bob@contoso.example")).code == 0
    assert service.commands[2].startswith("MAIL FROM:<ops@contoso.example>")


async def test_another_refusal_is_not_asked_twice(make_service: MakeService, program: Program) -> None:
    service = await make_service({"MAIL": "552 5.3.4 Too large"})
    assert (await program.run(MAIL, "bob@contoso.example")).code == os.EX_DATAERR
    assert len([line for line in service.commands if line.startswith("MAIL")]) == 1


async def test_who_may_not_be_what_f_says_is_refused(make_service: MakeService, program: Program) -> None:
    await make_service({"MAIL FROM:<shop@": "553 5.7.1 'cron' may not send as <shop@contoso.example>"})
    ended = await program.run(MAIL, "-fshop@contoso.example", "bob@contoso.example")
    assert ended.code == os.EX_NOPERM
    assert ended.errors == "pillarbox-sendmail: 553 5.7.1 'cron' may not send as <shop@contoso.example>\n"


@pytest.mark.parametrize(
    "author",
    [
        "root (Cron Daemon)",
        "mdadm monitoring <root>",
        "r@x",
        "root@localhost.localdomain",
        "root@printer.local",
    ],
)
@pytest.mark.parametrize("options", [(), ("-f", "root"), ("-froot@localhost",), ("-f", "root@localhost.localdomain")])
async def test_a_user_of_this_machine_is_the_address_that_the_service_knows(
    service: FakeService, program: Program, author: str, options: tuple[str, ...]
) -> None:
    assert (await program.run(f"From: {author}\n\nx\n".encode(), *options, "nobody-such")).code == 0
    assert service.commands[1].startswith("MAIL FROM:<ops@contoso.example>")
    assert service.commands[2] == "RCPT TO:<ops@contoso.example>"


@pytest.mark.parametrize("options", [(), ("-f", "OURS")])
async def test_an_address_at_the_name_of_this_machine_is_one_of_the_submitters_or_nobodys(
    make_service: MakeService, program: Program, options: tuple[str, ...]
) -> None:
    ours = f"root@{os.uname().nodename.partition('.')[0]}.fabrikam.example"
    service = await make_service({f"MAIL FROM:<{ours}": "553 5.7.1 'cron' may not send as that"})
    mail = f"From: {ours}\n\nx\n".encode()
    words = [ours if word == "OURS" else word for word in options]
    assert (await program.run(mail, *words, "bob@contoso.example")).code == 0
    assert [line.partition(" SIZE")[0] for line in service.commands[1:3]] == [
        f"MAIL FROM:<{ours}>",
        "MAIL FROM:<ops@contoso.example>",
    ]


async def test_f_may_hold_a_name(service: FakeService, program: Program) -> None:
    assert (await program.run(MAIL, "-f", "Ops, Night <ops@contoso.example>", "x@y")).code == os.EX_USAGE
    assert (await program.run(MAIL, "-f", '"Ops, Night" <ops@contoso.example>', "x@y")).code == 0
    assert service.commands[1].startswith("MAIL FROM:<ops@contoso.example> ")


async def test_of_whom_the_service_knows_no_address_the_sender_is_null(
    make_service: MakeService, program: Program
) -> None:
    service = await make_service({"greeting": "220 gateway.contoso.example ESMTP"})
    assert (await program.run(b"Subject: x\n\nx\n", "bob@contoso.example")).code == 0
    assert service.commands[1].startswith("MAIL FROM:<>")
    assert b"From:" not in service.data[0]
    ended = await program.run(b"Subject: x\n\nx\n", "nobody-such")
    assert (ended.code, "nobody-such" in ended.errors) == (os.EX_NOUSER, True)


async def test_the_null_sender_can_be_said(service: FakeService, program: Program) -> None:
    assert (await program.run(MAIL, "-f", "<>", "bob@contoso.example")).code == 0
    assert service.commands[1].startswith("MAIL FROM:<> ")


async def test_t_sends_to_the_header_and_the_command_line_and_takes_bcc_out(
    service: FakeService, program: Program
) -> None:
    mail = b"To: A <a@x.example>,\n b@x.example\nCc: c@x.example\nBcc: d@x.example\nSubject: s\n\nBcc: text\n"
    assert (await program.run(mail, "-t", "-i", "e@x.example", "a@x.example")).code == 0
    recipients = [line for line in service.commands if line.startswith("RCPT")]
    assert recipients == [f"RCPT TO:<{name}@x.example>" for name in "eabcd"]
    assert b"d@x.example" not in service.data[0]
    assert service.data[0].endswith(b"Cc: c@x.example\r\nSubject: s\r\n\r\nBcc: text\r\n")


async def test_t_sends_what_was_resent_to_whom_it_was_resent(service: FakeService, program: Program) -> None:
    assert (await program.run(b"Resent-To: new@x.example\nTo: old@x.example\n\nx\n", "-t")).code == 0
    assert [line for line in service.commands if line.startswith("RCPT")] == ["RCPT TO:<new@x.example>"]


@pytest.mark.parametrize(
    ("options", "mail", "code"),
    [
        ((), MAIL, os.EX_USAGE),
        (("-t",), b"To: undisclosed-recipients:;\n\nx\n", os.EX_DATAERR),
        (("-t",), b"To: no address at all\n\nx\n", os.EX_DATAERR),
        (("a@b>\r\nRCPT TO:<c@d",), MAIL, os.EX_USAGE),
        (("A\n<c@d>",), MAIL, os.EX_USAGE),
        (("a@b\t,c@d",), MAIL, os.EX_USAGE),
        (("-f", "A\n<c@d>", "x@y"), MAIL, os.EX_USAGE),
        (("-fa@b.c>\r\nRCPT TO:<c@d", "x@y"), MAIL, os.EX_USAGE),
        (("-t",), b"To: a@b\nX-Large: " + b"x" * 200_000 + b"\n\nx\n", os.EX_DATAERR),
    ],
)
async def test_a_mail_to_nobody_is_handed_in_nowhere(
    service: FakeService, program: Program, options: tuple[str, ...], mail: bytes, code: int
) -> None:
    ended = await program.run(mail, *options)
    assert (ended.code, ended.errors.count("\n")) == (code, 1)
    assert service.commands == []


async def test_the_flags_of_dsn_become_its_parameters(service: FakeService, program: Program) -> None:
    options = ("-N", "failure,delay", "-R", "hdrs", "-V", "a=1", "-f", "ops@contoso.example")
    assert (await program.run(MAIL, *options, "bob@contoso.example")).code == 0
    assert service.commands[1].endswith(" RET=HDRS ENVID=a+3D1")
    assert service.commands[2] == "RCPT TO:<bob@contoso.example> NOTIFY=FAILURE,DELAY"


async def test_letters_beyond_ascii_are_announced(service: FakeService, program: Program) -> None:
    mail = "From: zoë@contoso.example\n\nö\n".encode()
    assert (await program.run(mail, "jürgen@contoso.example")).code == 0
    assert service.commands[1].endswith(" BODY=8BITMIME SMTPUTF8")
    assert service.commands[2] == "RCPT TO:<jürgen@contoso.example>"


# ---- the bytes


@pytest.mark.parametrize(
    ("options", "body", "sent"),
    [
        ((), b"a\n.\nb\n", b"a\r\n"),
        ((), b"a\r\n.\r\nb\r\n", b"a\r\n"),
        ((), b"a\n.", b"a\r\n"),
        ((), b".\n", b""),
        (("-i",), b"a\n.\nb\n", b"a\r\n..\r\nb\r\n"),
        (("-oi",), b".\n..\n.a\n", b"..\r\n...\r\n..a\r\n"),
        (("-i",), b"no newline", b"no newline\r\n"),
        (("-i",), b"a\r\nb\nc\r\n", b"a\r\nb\r\nc\r\n"),
        (("-i",), b"a\0b\n\xff\n", b"a\0b\r\n\xff\r\n"),
        (("-i",), b"x" * 200_000 + b"\n.\n", b"x" * 200_000 + b"\r\n..\r\n"),
        (("-i",), b"x" * 65535 + b"\r\ny\n", b"x" * 65535 + b"\r\ny\r\n"),
        (("-i",), b"", b""),
    ],
)
async def test_lines_and_dots_arrive_as_they_were(
    service: FakeService, program: Program, options: tuple[str, ...], body: bytes, sent: bytes
) -> None:
    head = b"From: shop@contoso.example\nMessage-ID: <1@x>\n\n"
    assert (await program.run(head + body, *options, "bob@contoso.example")).code == 0
    assert service.data == [head.replace(b"\n", b"\r\n") + sent]


@pytest.mark.parametrize(
    ("mail", "options", "sent"),
    [
        (b"hello\n", (), b"From: <ops@contoso.example>\r\n\r\nhello\r\n"),
        (b"", (), b"From: <ops@contoso.example>\r\n\r\n"),
        (b"Subject: s\n\nx\n", (), b"From: <ops@contoso.example>\r\nSubject: s\r\n\r\nx\r\n"),
        (b"Subject: s\nno field\n", (), b"From: <ops@contoso.example>\r\nSubject: s\r\n\r\nno field\r\n"),
        (b"From root Mon Jan 1\nSubject: s\n\nx\n", (), b"From: <ops@contoso.example>\r\nSubject: s\r\n\r\nx\r\n"),
        (b"\nx\n", ("-F", 'A "B" \n C'), b'From: "A \\"B\\"   C" <ops@contoso.example>\r\n\r\nx\r\n'),
        (b"\nx\n", ("-fshop@contoso.example",), b"From: <shop@contoso.example>\r\n\r\nx\r\n"),
        (b"FROM : a@b.example\n\nx\n", ("-F", "Me"), b"FROM : a@b.example\r\n\r\nx\r\n"),
    ],
)
async def test_a_from_is_added_where_there_is_none(
    service: FakeService, program: Program, mail: bytes, options: tuple[str, ...], sent: bytes
) -> None:
    assert (await program.run(mail, *options, "bob@contoso.example")).code == 0
    fields, _, body = service.data[0].partition(b"\r\n\r\n")
    kept = b"\r\n".join(line for line in fields.split(b"\r\n") if not line.startswith(b"Message-ID: "))
    assert kept + b"\r\n\r\n" + body == sent
    assert fields.count(b"Message-ID: <") == 1


async def test_a_large_mail_is_not_in_memory(service: FakeService, program: Program) -> None:
    mail = b"Subject: large\n\n" + b"x" * 99 + b"\n"
    process = await program.start("-i", "bob@contoso.example")
    assert process.stdin is not None
    process.stdin.write(mail)
    for _ in range(LARGE // 100_000):
        process.stdin.write((b"y" * 99 + b"\n") * 1000)
        await process.stdin.drain()
    most = peak(process.pid)
    process.stdin.close()
    assert await process.wait() == 0
    assert len(service.data[0]) > LARGE
    assert most < 40_000


def peak(pid: int) -> int:
    """Most memory that the process has had, in KiB."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


async def test_who_never_stops_writing_is_stopped(service: FakeService, program: Program) -> None:
    process = await asyncio.create_subprocess_shell(
        f"yes {'y' * 1000} | {program.path()} -i bob@contoso.example",
        env=program.environ,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == os.EX_DATAERR
    assert errors.endswith(b"the message is larger than 150000000 bytes\n")
    assert service.commands == []


# ---- refusals


@pytest.mark.parametrize(
    ("at", "reply", "code"),
    [
        ("greeting", "554 5.7.1 No submitter", os.EX_NOPERM),
        ("MAIL", "552 5.3.4 Too large", os.EX_DATAERR),
        ("MAIL", "553 5.7.1 Not you", os.EX_NOPERM),
        ("RCPT", "501 5.1.3 No address", os.EX_NOUSER),
        ("RCPT", "550 5.7.1 Not to them", os.EX_NOPERM),
        ("RCPT", "452 4.5.3 Too many recipients", os.EX_DATAERR),
        ("DATA", "502 5.5.1 What", os.EX_UNAVAILABLE),
        (".", "554 5.6.0 NUL", os.EX_DATAERR),
        (".", "554 no enhanced code", os.EX_UNAVAILABLE),
    ],
)
async def test_a_refusal_is_an_exit_code_and_one_line(
    make_service: MakeService, program: Program, at: str, reply: str, code: int
) -> None:
    program.make_maildrop()
    await make_service({at: reply})
    ended = await program.run(MAIL, "-f", "ops@contoso.example", "bob@contoso.example")
    assert (ended.code, ended.errors) == (code, f"pillarbox-sendmail: {reply}\n")
    assert not list(program.maildrop.iterdir())


async def test_a_reply_steers_no_terminal(make_service: MakeService, program: Program) -> None:
    await make_service({"MAIL": "554 5.7.1 \x1b[2J"})
    assert (await program.run(MAIL, "bob@contoso.example")).errors == "pillarbox-sendmail: 554 5.7.1 ?[2J\n"


@pytest.mark.parametrize(
    ("at", "reply"),
    [
        ("greeting", "421 4.3.2 Stopping"),
        ("greeting", HANG_UP),
        ("EHLO", "garbage"),
        ("MAIL", "450 4.7.1 Too fast"),
        ("RCPT", HANG_UP),
        (".", "451 4.3.0 The store is full"),
        (".", HANG_UP),
    ],
)
async def test_what_the_service_cannot_take_now_waits_in_the_folder(
    make_service: MakeService, program: Program, at: str, reply: str
) -> None:
    program.make_maildrop()
    await make_service({at: reply})
    ended = await program.run(MAIL, "-f", "ops@contoso.example", "bob@contoso.example")
    assert (ended.code, ended.errors) == (0, "")
    (left,) = program.maildrop.iterdir()
    assert left.read_bytes().partition(b"\n")[2] == MAIL.replace(b"\n", b"\r\n")


async def test_without_service_and_folder_it_is_tried_again_by_the_caller(program: Program) -> None:
    ended = await program.run(MAIL, "bob@contoso.example")
    assert (ended.code, ended.errors.count("\n")) == (os.EX_TEMPFAIL, 1)
    assert str(program.socket) in ended.errors
    assert str(program.maildrop) in ended.errors


async def test_a_path_that_no_socket_can_have_is_a_mistake_in_the_set_up(program: Program) -> None:
    ended = await program.run(MAIL, "x@y", environ={"PILLARBOX_SENDMAIL__SOCKET": "/" + "x" * 200})
    assert ended.code == os.EX_CONFIG


async def test_the_service_of_the_user_is_found(make_service: MakeService, program: Program) -> None:
    runtime = program.folder / "run"
    (runtime / "pillarbox").mkdir(parents=True)
    service = FakeService(runtime / "pillarbox" / "sendmail.sock")
    await service.start()
    environ = {"XDG_RUNTIME_DIR": str(runtime), "PILLARBOX_SENDMAIL__SOCKET": ""}
    assert (await program.run(MAIL, "bob@contoso.example", environ=environ)).code == 0
    assert len(service.data) == 1
    await service.stop()


# ---- signals and pipes


async def test_a_signal_ends_it_in_silence_and_nothing_is_sent(service: FakeService, program: Program) -> None:
    process = await program.start("-v", "-i", "bob@contoso.example")
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.transport.set_write_buffer_limits(0)
    process.stdin.write(MAIL + b"x" * 300_000)
    await process.stdin.drain()  # the pipe does not hold so much: it is reading
    process.send_signal(signal.SIGINT)
    assert await process.wait() == -signal.SIGINT
    assert await process.stderr.read() == b""
    assert service.commands == []


async def test_nobody_need_listen_to_its_errors(program: Program) -> None:
    process = await asyncio.create_subprocess_shell(
        f"printf x | {program.path()} bob@contoso.example 2>&- >&-; echo $?",
        env=program.environ,
        stdout=asyncio.subprocess.PIPE,
    )
    assert (await process.communicate())[0] == b"75\n"


async def test_without_an_input_nothing_is_sent(service: FakeService, program: Program) -> None:
    process = await asyncio.create_subprocess_shell(
        f"{program.path()} bob@contoso.example <&-", env=program.environ, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert (process.returncode, errors.count(b"\n")) == (os.EX_TEMPFAIL, 1)
    assert service.commands == []


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
async def test_what_is_told_to_closed_descriptors_is_in_no_mail(
    service: FakeService, program: Program, closed: str
) -> None:
    """The file of a large body would get the number 2, and `-v` would write into it."""
    (program.folder / "mail").write_bytes(b"From: shop@contoso.example\nMessage-ID: <1@x>\n\n" + b"y\n" * 1_000_000)
    process = await asyncio.create_subprocess_shell(
        f"{program.path()} -v bob@contoso.example < {program.folder}/mail {closed}", env=program.environ
    )
    assert await process.wait() == 0
    assert b"250" not in service.data[0]
    assert b">>>" not in service.data[0]


async def test_v_shows_the_conversation(service: FakeService, program: Program) -> None:
    ended = await program.run(MAIL, "-v", "bob@contoso.example")
    assert ">>> RCPT TO:<bob@contoso.example>\n250 2.0.0 OK\n" in ended.errors
    assert "\n250 2.0.0 queued as 0123456789ABCDEF\n" in ended.errors


# ---- its other names


async def test_bs_is_a_conversation_with_the_service(service: FakeService, program: Program) -> None:
    process = await program.start("-bs")
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == (service.replies.get("greeting") or "").encode() or True
    process.stdin.write(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n")
    output = await process.stdout.read()
    assert output.endswith(b"250 2.0.0 queued as 0123456789ABCDEF\r\n221 2.0.0 bye\r\n")
    assert await process.wait() == 0
    assert service.data == [b"..x\r\n"]


async def test_bs_ends_with_its_input(service: FakeService, program: Program) -> None:
    ended = await program.run(b"NOOP\r\n", "-bs")
    assert (ended.code, ended.output.splitlines()[-1]) == (0, b"250 2.0.0 OK")


async def test_bs_shows_why_the_service_refuses(make_service: MakeService, program: Program) -> None:
    await make_service({"greeting": "554 5.7.1 No submitter", "EHLO": HANG_UP})
    ended = await program.run(b"EHLO x\r\n" * 100_000, "-bs")
    assert (ended.code, ended.output) == (os.EX_NOPERM, b"554 5.7.1 No submitter\r\n")


async def test_bs_that_is_refused_and_not_heard_shows_it_too(program: Program) -> None:
    """As our own service does it: one line, and the connection is closed with what came in unread."""

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.7.1 No submitter\r\n")
        writer.close()

    server = await asyncio.start_unix_server(refuse, program.socket)
    process = await program.start("-bs")
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"554 5.7.1 No submitter\r\n"
    process.stdin.write(b"EHLO x\r\n")
    assert await process.wait() == os.EX_NOPERM
    server.close()


async def test_bs_whose_message_has_no_end_is_to_be_tried_again(service: FakeService, program: Program) -> None:
    ended = await program.run(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf a mess", "-bs")
    assert (ended.code, ended.output.splitlines()[-1]) == (os.EX_TEMPFAIL, b"354 go")
    assert service.data == []


async def test_bs_says_by_smtp_that_there_is_no_service(program: Program) -> None:
    ended = await program.run(b"", "-bs")
    assert ended.code == os.EX_TEMPFAIL
    assert ended.output.startswith(b"421 4.3.2 Service not available: ")


@pytest.mark.parametrize("call", [("mailq",), ("sendmail", "-bp")])
async def test_mailq_says_who_sees_the_queue(program: Program, call: tuple[str, ...]) -> None:
    ended = await program.run(b"", *call[1:], name=call[0])
    assert (ended.code, b"pillarbox outbox list" in ended.output) == (0, True)


async def test_mailq_shows_the_queue_to_who_may_talk_to_the_service(program: Program) -> None:
    pillarbox = program.folder / "pillarbox"
    pillarbox.write_text('#!/bin/sh\necho "$@"\n')
    pillarbox.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as api:
        api.bind(str(program.folder / "api.sock"))
        assert (await program.run(b"", name="mailq")).output == b"outbox list\n"


async def test_bv_says_who_would_be_taken(make_service: MakeService, program: Program) -> None:
    service = await make_service({"RCPT TO:<bob@": "550 5.7.1 Not to them"})
    ended = await program.run(b"", "-bv", "alice@contoso.example", "bob@contoso.example")
    assert ended.code == os.EX_NOPERM
    assert ended.output == b"alice@contoso.example... deliverable\nbob@contoso.example... 550 5.7.1 Not to them\n"
    assert service.data == []


async def test_its_version_is_told(program: Program) -> None:
    assert (await program.run(b"", "--version")).output.startswith(b"pillarbox-sendmail ")


@pytest.mark.parametrize("call", [("-q", "a@b"), ("-bi",), ("-q30m", "-t")])
async def test_a_message_where_none_is_taken_is_not_dropped_in_silence(program: Program, call: tuple[str, ...]) -> None:
    (program.folder / "mail").write_bytes(MAIL)
    process = await asyncio.create_subprocess_shell(
        f"{program.path()} {' '.join(call)} < {program.folder}/mail",
        env=program.environ,
        stderr=asyncio.subprocess.PIPE,
    )
    assert (await process.communicate())[1].startswith(b"pillarbox-sendmail: nothing was sent: ")
    assert process.returncode == 0


@pytest.mark.parametrize("call", [("newaliases",), ("sendmail", "-bi"), ("sendmail", "-q30m"), ("sendmail", "-q")])
async def test_what_has_nothing_to_do_does_it(program: Program, call: tuple[str, ...]) -> None:
    ended = await program.run(b"", *call[1:], name=call[0])
    assert (ended.code, ended.output, ended.errors) == (0, b"", "")


# ---- the folder


@pytest.mark.parametrize("mode", [0o733, 0o1777, 0o1773])
async def test_nothing_is_left_where_others_could_read_it_or_take_it_away(program: Program, mode: int) -> None:
    program.maildrop.mkdir()
    program.maildrop.chmod(mode)
    ended = await program.run(MAIL, "bob@contoso.example")
    assert (ended.code, "its mode must be 1733" in ended.errors) == (os.EX_TEMPFAIL, True)
    assert not list(program.maildrop.iterdir())


async def test_what_nobody_is_to_know_of_the_name_is_not_told(program: Program) -> None:
    program.make_maildrop()
    ended = await program.run(MAIL, "-v", "bob@contoso.example")
    (left,) = program.maildrop.iterdir()
    time, _, secret = left.name.partition("-")
    assert f"left in {program.maildrop}/{time}-...\n" in ended.errors
    assert secret not in ended.errors


async def test_a_file_is_left_whole_readable_and_under_a_name_that_nobody_guesses(program: Program) -> None:
    program.make_maildrop()
    process = await asyncio.create_subprocess_shell(
        f"umask 077; printf 'hello\\n' | {program.path()} -N never root@localhost nobody-such", env=program.environ
    )
    assert await process.wait() == 0
    (left,) = program.maildrop.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o644
    assert len(left.name) == 16 + 1 + 32
    line, _, message = left.read_bytes().partition(b"\n")
    assert message.endswith(b"\r\n\r\nhello\r\n")
    assert line.startswith(b'{"senders": [null], "recipients": ["root@localhost", "nobody-such"], "notify": "NEVER", ')
    assert f'"size": {len(message)}, "has_from": false}}'.encode() in line


async def test_what_cannot_be_left_whole_is_not_left(program: Program) -> None:
    program.make_maildrop()
    process = await asyncio.create_subprocess_shell(
        f"ulimit -f 8; yes | head -c 90000 | {program.path()} x@y", env=program.environ, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert (process.returncode, b"File too large" in errors) == (os.EX_TEMPFAIL, True)
    assert not list(program.maildrop.iterdir())
