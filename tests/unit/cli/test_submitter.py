"""pillarbox submitter: at a terminal, in pipes, and for scripts."""

import json
from typing import Any

import pytest

from pillarbox.access.guard import DEFAULT_PATIENCE
from pillarbox.core.accounts import Login
from pillarbox.core.vault import Secret
from tests.conftest import House
from tests.service import pillarbox
from tests.terminal import at_terminal

BOX = "scanner@contoso.example"
ALL = (
    *("--mailbox", BOX, "--sender", "alias@contoso.example=erp@contoso.example"),
    *("--sender", "*@fabrikam.example", "--app", "contoso", "--sender", f"*@x.example={BOX}"),
    *("--network", "192.0.2.0/24", "--network", "2001:db8::/48", "--user", "daemon", "--group", "33"),
    *("--recipient", "*@contoso.example", "--recipient", "tax@fabrikam.example"),
    *("--force-from", "--fix-from", "--rate", "10", "--max-size", "1000000"),
)


def place(house: House) -> dict[str, str]:
    return {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}


async def say(house: House, *words: str, **environ: str) -> tuple[int, str, str]:
    return await pillarbox("submitter", *words, environ={**place(house), **environ})


async def done(house: House, *words: str, **environ: str) -> Any:
    """The JSON of a command that succeeds."""
    code, output, errors = await say(house, *words, "--json", **environ)
    assert (code, errors) == (0, "")
    return json.loads(output)


async def screen(house: House, *words: str) -> str:
    """What a command shows at a terminal."""
    code, shown = await at_terminal(("submitter", *words), [], place(house))
    assert code == 0, shown
    return shown


async def test_at_a_terminal_an_administrator_reads_all_about_it(house: House) -> None:
    added = await screen(house, "add", "erp", *ALL)
    assert "Password (shown only now): " in added
    assert "`pillarbox submitter show erp`" in added
    assert "Token (shown only now): pbx_" in await screen(house, "token", "add", "erp", "jenkins")
    assert (await screen(house, "show", "erp")).splitlines() == [
        "Name:          erp",
        "State:         enabled",
        "Comes in:      by its name and password",
        "Comes in:      by its name and the token jenkins",
        "Comes in:      from 192.0.2.0/24, without a login",
        "Comes in:      from 2001:db8::/48, without a login",
        "Comes in:      as user daemon of this machine, by sendmail",
        "Comes in:      as group 33 of this machine, by sendmail",
        f"Sends as:      {BOX}",
        "Sends as:      alias@contoso.example, an alias of erp@contoso.example",
        f"Sends as:      every address of x.example, all from the mailbox {BOX}",
        "Sends as:      every address of fabrikam.example, each from its own mailbox, by the app registration contoso",
        "From:          the mailbox's address is written into it; what stood there goes into Reply-To",
        "Sends to:      *@contoso.example, tax@fabrikam.example only",
        "Rate:          at most 10 messages a minute",
        "Size:          at most 1000000 bytes a message",
        "Last used:     never",
    ]
    shown = await screen(house, "list")
    assert "comes in" in shown
    assert "jenkins" in shown
    assert "jenkins" in await screen(house, "token", "list", "erp")


async def test_what_has_no_limits_says_so(house: House) -> None:
    await done(house, "change", "printer", "--no-fix-from", "--disable")
    _, output, _ = await say(house, "show", "printer")
    for line in (
        "State:         disabled: nobody comes in as this submitter",
        "From:          as the client writes it; a missing one is refused",
        "Sends to:      everybody",
        "Rate:          no limit of its own",
        "Size:          the listener's limit",
    ):
        assert line in output.splitlines()


async def test_a_list_in_a_pipe_says_how_it_comes_in_when_it_was_used_and_what_is_disabled(house: House) -> None:
    await house.accept(b"From: scanner@contoso.example\r\n\r\nbody\r\n", "alice@contoso.example")
    house.gateway.submitters.used(await house.gateway.submitters.get("printer"))
    await done(house, "add", "lobby", "--mailbox", BOX, "--network", "192.0.2.7", "--no-password")
    await done(house, "change", "lobby", "--disable")
    code, output, _ = await say(house, "list")
    lobby, printer = (line.split("\t") for line in output.splitlines())
    assert (code, lobby) == (0, ["lobby", BOX, "192.0.2.7/32", "never", "disabled"])
    assert (printer[0], printer[2], printer[3][:2], printer[4]) == ("printer", "password", "20", "")


async def test_the_json_is_whole_and_a_password_is_in_it_once(house: House) -> None:
    added = await done(house, "add", "erp", *ALL)
    shown = await done(house, "show", "erp")
    assert added.pop("password")
    assert added == shown
    assert [one["name"] for one in await done(house, "list")] == ["erp", "printer"]
    assert (await done(house, "list"))[0] == shown
    token = await done(house, "token", "add", "erp", "jenkins")
    assert token["token"].startswith("pbx_")
    assert await done(house, "token", "list", "erp") == [{"id": "jenkins", "created_at": token["created_at"]}]
    assert await done(house, "token", "remove", "erp", "jenkins") == {"name": "erp", "id": "jenkins", "removed": True}
    assert await done(house, "remove", "erp") == {"name": "erp", "removed": True}


async def test_an_address_is_let_in(house: House) -> None:
    assert await say(house, "let-in", "192.0.2.7") == (0, "192.0.2.7 was not kept out.\n", "")
    assert "'printer' is no network." in (await say(house, "let-in", "printer"))[2]
    submitters, wrong = house.gateway.submitters, Login("printer", Secret("wrong"), "PLAIN", "2001:db8::7")
    for _ in range(DEFAULT_PATIENCE.of_site):
        submitters._logins._failed(wrong)
    assert await say(house, "let-in", "2001:db8::9") == (0, "2001:db8::9 is let in.\n", "")
    told = {"address": "2001:db8::9", "was_kept_out": False}
    assert await done(house, "let-in", "2001:db8::9") == told
    assert submitters.kept_out_until("2001:db8::7") is None


async def test_a_change_replaces_lists_and_empties_them(house: House) -> None:
    await done(house, "add", "erp", *ALL)
    changed = await done(
        house,
        *("change", "erp", "--network", "192.0.2.9", "--no-user", "--no-group", "--no-recipient"),
        *("--no-force-from", "--no-fix-from", "--rate", "0", "--max-size", "0", "--sender", "b@contoso.example"),
    )
    assert (changed["networks"], changed["users"], changed["groups"]) == (["192.0.2.9/32"], [], [])
    assert (changed["recipients"], changed["rate"], changed["max_size"]) == ([], 0, 0)
    assert (changed["force_from"], changed["fix_from"], changed["domains"]) == (False, False, {})
    assert changed["senders"] == {BOX: BOX, "b@contoso.example": BOX}
    assert (await done(house, "change", "erp", "--no-network"))["networks"] == []


async def test_a_password_is_given_by_the_environment_or_made(house: House) -> None:
    given = {"PILLARBOX_SUBMITTER_PASSWORD": "correct horse"}
    assert (await done(house, "add", "erp", "--mailbox", BOX, **given))["password"] is None
    assert (await done(house, "change", "erp", "--rate", "1", **given))["password"] is None
    _, output, _ = await say(house, "change", "erp", "--new-password")
    assert "Password (shown only now): " in output
    _, output, _ = await say(house, "change", "erp", "--new-password", **given)
    assert output == "Changed the submitter erp.\n"
    assert "correct horse" not in house.log.getvalue()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["add", "x", "--mailbox", "x@contoso.example"], 3, "There is no mailbox x@contoso.example."),
        (["add", "x", "--mailbox", BOX, "--sender", "a@x.example=no@contoso.example"], 3, "There is no mailbox no@"),
        (["add", "printer", "--mailbox", BOX], 1, "There is a submitter 'printer' already."),
        (["add", "a b", "--mailbox", BOX], 2, "cannot be the name of a submitter"),
        (["add", "x"], 2, "Name it with --mailbox."),
        (["add", "x", "--mailbox", BOX, "--no-password"], 2, "no way to come in|Leave --no-password away"),
        (["add", "x", "--mailbox", BOX, "--network", "192.0.2.9/24"], 2, "The network is 192.0.2.0/24"),
        (["add", "x", "--mailbox", BOX, "--network", "0.0.0.0/0"], 2, "too wide"),
        (["add", "x", "--mailbox", BOX, "--network", "198.51.100.7"], 1, "is the submitter 'other' already"),
        (["add", "x", "--mailbox", BOX, "--user", "daemon"], 1, "The user 'daemon' is the submitter 'other' already."),
        (["add", "x", "--mailbox", BOX, "--sender", "*@x.example"], 2, "'*@x.example=MAILBOX'"),
        (["add", "x", "--sender", "*@x.example", "--app", "nobody"], 3, "nobody"),
        (["add", "x", "--sender", "*@x.example", "--app", "contoso", "--user", "me"], 2, "--app names none"),
        (["change", "printer", "--mailbox", BOX, "--app", "contoso"], 2, "--app contoso is for every address"),
        (["change", "printer"], 2, "name what is to change"),
        (["change", "printer", "--network", "192.0.2.7", "--no-network"], 2, "either networks, or none"),
        (["change", "printer", "--enable", "--disable"], 2, "either --enable or --disable"),
        (["change", "printer", "--no-force-from", "--force-from"], 2, "either --force-from or --no-force-from"),
        (["change", "printer", "--fix-from", "--no-fix-from"], 2, "either --fix-from or --no-fix-from"),
        (["change", "printer", "--no-password"], 2, "no way to come in"),
        (["change", "nobody", "--rate", "1"], 3, "There is no submitter 'nobody'."),
        (["change", "printer", "--rate", "-1"], 2, "--rate"),
        (["change", "printer", "--rate", "99999999999999999999"], 2, "--rate|1000000"),
        (["add", "x", "--mailbox", BOX, "--max-size", "99999999999999999999"], 2, "--max-size"),
        (["show", "nobody"], 3, "There is no submitter 'nobody'."),
        (["remove", "nobody"], 3, "There is no submitter 'nobody'."),
        (["remove", ""], 3, "There is nothing at"),
        (["show", ""], 3, "There is nothing at"),
        (["change", "", "--disable"], 3, "There is nothing at"),
        (["token", "remove", "printer", ""], 3, "There is nothing at"),
        (["token", "add", "nobody", "x"], 3, "There is no submitter 'nobody'."),
        (["token", "add", "printer", "a b"], 2, "cannot be the id of a token"),
        (["token", "remove", "printer", "x"], 3, "has no token 'x'"),
    ],
)
async def test_mistakes_are_told_with_their_cure(house: House, words: list[str], code: int, told: str) -> None:
    await done(house, "add", "other", "--mailbox", BOX, "--network", "198.51.100.7", "--user", "daemon")
    before = await done(house, "list")
    found, output, errors = await say(house, *words)
    assert (found, output) == (code, "")
    assert all(part in errors for part in told.split("|"))
    assert await done(house, "list") == before


async def test_who_this_machine_does_not_know_is_kept_and_told(house: House) -> None:
    strangers = ("--user", "nosuchuser", "--user", "0", "--group", "nosuchgroup")
    code, output, errors = await say(house, "add", "x", "--mailbox", BOX, *strangers, "--json")
    assert (code, sorted(json.loads(output)["users"])) == (0, ["0", "nosuchuser"])
    assert errors.splitlines() == [
        "pillarbox: this machine knows no user 'nosuchuser' yet; the rule is kept.",
        "pillarbox: this machine knows no group 'nosuchgroup' yet; the rule is kept.",
    ]
    code, _, errors = await say(house, "change", "x", "--user", "nosuchuser")
    assert (code, errors.count("nosuchuser")) == (0, 1)


async def test_a_switch_is_switched_on_and_off(house: House) -> None:
    await done(house, "change", "printer", "--disable", "--force-from", "--no-fix-from")
    off = await done(house, "show", "printer")
    await done(house, "change", "printer", "--enable", "--no-force-from", "--fix-from")
    on = await done(house, "show", "printer")
    names = ("enabled", "force_from", "fix_from")
    assert [[one[name] for name in names] for one in (off, on)] == [[False, True, False], [True, False, True]]


async def test_a_short_password_is_told(house: House) -> None:
    code, _, errors = await say(house, "add", "x", "--mailbox", BOX, PILLARBOX_SUBMITTER_PASSWORD="short")
    assert (code, "fewer than 8 characters" in errors, "short" in errors) == (2, True, False)


async def test_what_names_an_app_registration_or_a_mailbox_keeps_it(house: House) -> None:
    await done(house, "add", "erp", "--sender", "*@x.example", "--app", "contoso")
    for words in (("app", "remove", "contoso"), ("mailbox", "remove", BOX)):
        code, _, errors = await pillarbox(*words, environ=place(house))
        assert (code != 0, "submitter" in errors) == (True, True)
