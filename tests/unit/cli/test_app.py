"""pillarbox app: asked at a terminal, from the environment, from files; and nothing secret comes out again."""

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core.vault import Secret
from pillarbox.entra import certificates
from pillarbox.entra.certificates import KeyPair
from tests.conftest import House, MakeHouse
from tests.service import pillarbox
from tests.terminal import at_terminal
from tests.unit.entra.test_certificates import encrypted, key_of, pfx

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
SECRET = "abc8Q" + "~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x"
OTHER = "xyz8Q" + "~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x"
IDS = ("--tenant-id", TENANT, "--client-id", CLIENT)
PASSWORD = "correct horse"
_SOON = next(day for n in range(90, 120) if (day := datetime.date.today() + datetime.timedelta(days=n)).day > 12)
SOON = _SOON.isoformat()
AMERICAN = f"{_SOON.month}/{_SOON.day}/{_SOON.year}"
NEAR = (datetime.date.today() + datetime.timedelta(days=12)).isoformat()


class Desk:
    """Commands beside a service; all that they ever printed is kept."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.printed = ""
        self._place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}

    async def say(self, *words: str, **environ: str) -> tuple[int, str, str]:
        code, output, errors = await pillarbox(*words, environ={**self._place, **environ})
        self.printed += output + errors
        return code, output, errors

    async def done(self, *words: str, **environ: str) -> Any:
        """The JSON of a command that succeeds."""
        code, output, errors = await self.say(*words, "--json", **environ)
        assert (code, errors) == (0, "")
        return json.loads(output)

    async def asked(self, *words: str, answers: list[tuple[str, str]], **environ: str) -> tuple[int, str]:
        """At a terminal."""
        code, screen = await at_terminal(words, answers, {**self._place, **environ})
        self.printed += screen
        return code, screen

    async def kinds(self, name: str = "contoso") -> list[str]:
        found = await self.done("app", "credential", "list", name)
        return [one["kind"] for one in found]

    async def material(self, name: str = "contoso") -> list[Secret]:
        app = await self.house.gateway.accounts.app(name)
        assert app is not None
        return [each.material for each in await self.house.gateway.accounts.credentials(app)]


@pytest.fixture
async def desk(make_house: MakeHouse) -> Desk:
    return Desk(await make_house())


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return certificates.make("gateway.contoso.example", datetime.datetime.now(datetime.UTC).timestamp())


# ---- the three values


async def test_at_a_terminal_all_is_asked_and_the_secret_is_not_seen(desk: Desk) -> None:
    questions = [
        ("Application (client) ID: ", CLIENT),
        ("Directory (tenant) ID: ", TENANT),
        ("Client secret (its Value): ", SECRET),
        ("empty if you do not know): ", SOON),
    ]
    code, screen = await desk.asked("app", "add", "contoso", answers=questions)
    assert (code, "Added the app registration contoso." in screen) == (0, True)
    assert SECRET not in screen
    assert "`pillarbox app test contoso`" in screen
    assert await desk.material() == [Secret(SECRET)]
    (found,) = await desk.done("app", "list")
    assert (found["client_id"], found["tenant_id"]) == (CLIENT, TENANT)
    assert datetime.datetime.fromtimestamp(found["ends_at"], datetime.UTC).date().isoformat() == SOON


async def test_a_bad_answer_is_told_at_once_and_asked_again(desk: Desk) -> None:
    questions = [
        ("Application (client) ID: ", "gateway"),
        ("Application (client) ID: ", CLIENT),
        ("Directory (tenant) ID: ", "common"),
        ("Directory (tenant) ID: ", CLIENT),
        ("Application (client) ID: ", CLIENT),
        ("Directory (tenant) ID: ", TENANT),
        ("Client secret (its Value): ", TENANT),
        ("Client secret (its Value): ", SECRET),
        ("empty if you do not know): ", "5/6/2099"),
        ("empty if you do not know): ", "2020-01-01"),
        ("empty if you do not know): ", AMERICAN),
    ]
    code, screen = await desk.asked("app", "add", "contoso", answers=questions)
    assert code == 0
    for words in (
        "'gateway' is not",
        "'common' names no tenant",
        "are the same",
        "ID of a client secret",
        "may be two",
    ):
        assert words in screen
    assert "is in the past" in screen
    assert (await desk.material(), SECRET in screen) == ([Secret(SECRET)], False)
    assert (await desk.say("app", "list"))[1].endswith(f"\t{SOON}\n")


async def test_nothing_is_asked_where_it_would_come_to_nothing(desk: Desk) -> None:
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    for words, said in (
        (("add", "contoso"), "There is an app registration 'contoso' already."),
        (("add", "a/b"), "cannot be the name"),
        (("add", "again", "--client-id", "x"), "'x' is not a client ID."),
        (("add", "again", "--client-id", TENANT, "--tenant-id", CLIENT), "the wrong way round"),
        (("add", "again", *IDS, "--secret-ends", "soon"), "'soon' is no date"),
        (("secret", "nobody"), "There is no app registration 'nobody'."),
        (("credential", "add", "nobody"), "There is no app registration 'nobody'."),
    ):
        # Whatever is asked all the same is answered by the end of the input.
        code, screen = await desk.asked("app", *words, answers=[(": ", "\x04")])
        assert (code in (1, 2, 3), said in screen, "Value" in screen.partition("pillarbox:")[0]) == (True, True, False)


async def test_the_end_date_may_be_left_empty(desk: Desk) -> None:
    questions = [("Client secret (its Value): ", SECRET), ("empty if you do not know): ", "")]
    assert (await desk.asked("app", "add", "contoso", *IDS, answers=questions))[0] == 0
    assert (await desk.done("app", "list"))[0]["ends_at"] is None


async def test_asked_with_json_the_output_is_one_document(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"\n{SECRET}\n")
    given = {"PILLARBOX_CLIENT_ID": CLIENT, "PILLARBOX_TENANT_ID": TENANT, "PILLARBOX_CLIENT_SECRET_FILE": str(secret)}
    added = await desk.done("app", "add", "contoso", "--secret-ends", SOON, **given)
    assert (added["name"], added["credential"]["kind"], added["warnings"]) == ("contoso", "secret", [])
    assert await desk.material() == [Secret(SECRET)]


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ((), "Not given: Application (client) ID. Say --client-id, set PILLARBOX_CLIENT_ID"),
        (("--client-id", CLIENT), "Not given: Directory (tenant) ID. Say --tenant-id, set PILLARBOX_TENANT_ID"),
        (IDS, "Not given: Client secret (its Value). Set PILLARBOX_CLIENT_SECRET"),
    ],
)
async def test_where_nobody_can_be_asked_it_says_what_is_missing(
    desk: Desk, words: tuple[str, ...], missing: str
) -> None:
    code, _, errors = await desk.say("app", "add", "contoso", *words)
    assert (code, missing in errors) == (2, True)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (TENANT, "That is the ID of a client secret, not its value."),
        ("abc****************", "stars"),
        (f"{SECRET}\n{TENANT}", "More than one value was pasted as client secret."),
    ],
)
async def test_a_paste_that_cannot_be_right_keeps_nothing(desk: Desk, secret: str, words: str) -> None:
    code, _, errors = await desk.say("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=secret)
    assert (code, words in errors) == (2, True)
    assert await desk.done("app", "list") == []


async def test_an_odd_secret_is_taken_with_a_warning(desk: Desk) -> None:
    code, output, errors = await desk.say("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET="too-short")
    assert (code, output) == (0, "Added the app registration contoso.\n")
    assert errors.startswith("Warning: The client secret has only 9 characters")


@pytest.mark.parametrize(("date", "words"), [("2020-01-01", "is in the past"), ("soon", "'soon' is no date,")])
async def test_an_end_date_that_cannot_be_is_refused(desk: Desk, date: str, words: str) -> None:
    code, _, errors = await desk.say(
        "app", "add", "contoso", *IDS, "--secret-ends", date, PILLARBOX_CLIENT_SECRET=SECRET
    )
    assert (code, words in errors) == (2, True)


async def test_a_secret_is_read_anew_from_where_it_is_kept(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    added = await desk.done("app", "add", "contoso", *IDS, "--secret-from", f"file:{file}")
    assert added["credential"]["source"] == f"file:{file}"
    assert await desk.material() == [Secret("")]
    file.write_text(TENANT)
    code, _, errors = await desk.say("app", "secret", "contoso", "--secret-from", f"file:{file}")
    assert (code, "ID of a client secret" in errors) == (2, True)


# ---- rotation


async def test_a_further_secret_comes_first_until_the_old_one_is_removed(desk: Desk) -> None:
    await desk.done("app", "add", "contoso", *IDS, "--secret-ends", SOON, PILLARBOX_CLIENT_SECRET=SECRET)
    code, screen = await desk.asked(
        *("app", "secret", "contoso"),
        answers=[
            ("Client secret (its Value): ", OTHER),
            ("empty if you do not know): ", "2020-01-01"),
            ("empty if you do not know): ", ""),
        ],
    )
    assert (code, "is in the past" in screen) == (0, True)
    assert await desk.material() == [Secret(OTHER), Secret(SECRET)]
    _, old = await desk.done("app", "credential", "list", "contoso")
    assert (await desk.done("app", "list"))[0]["credentials"] == 2
    assert await desk.say("app", "credential", "remove", "contoso", old["id"]) == (
        *(0, f"contoso has lost {old['id']}.\n", ""),
    )
    assert await desk.material() == [Secret(OTHER)]
    (last,) = await desk.done("app", "credential", "list", "contoso")
    code, _, errors = await desk.say("app", "credential", "remove", "contoso", last["id"])
    assert (code, "only credential" in errors) == (2, True)
    assert (await desk.say("app", "credential", "remove", "contoso", "../x"))[0] == 3


async def test_the_log_says_what_was_changed(desk: Desk) -> None:
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    added = await desk.done("app", "secret", "contoso", PILLARBOX_CLIENT_SECRET=OTHER)
    await desk.say("app", "credential", "remove", "contoso", added["credential"]["id"])
    lines = desk.house.log.lines("account.changed")
    changes = [line.partition("change=")[2].rpartition(" request=")[0] for line in lines]
    assert changes == ["added", '"new secret"', f'"removed {added["credential"]["id"]}"']


async def test_ids_are_changed_and_a_registration_is_removed(desk: Desk) -> None:
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    new = TENANT.replace("1", "9")
    assert (await desk.done("app", "change", "contoso", "--client-id", new))["client_id"] == new
    _, output, _ = await desk.say("app", "change", "contoso", "--tenant-id", "contoso.example")
    assert output == f"contoso is now client {new} in tenant contoso.example.\n"
    assert (await desk.say("app", "change", "nobody", "--client-id", new))[0] == 3
    assert (await desk.say("app", "remove", "contoso")) == (0, "contoso is removed.\n", "")
    assert await desk.done("app", "list") == []


# ---- certificates


async def test_a_certificate_is_made_and_its_public_part_written(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "contoso.cer"
    code, output, _ = await desk.say("app", "add", "contoso", *IDS, "--new-certificate", str(file))
    (found,) = await desk.done("app", "credential", "list", "contoso")
    assert (code, found["kind"], file.read_text()) == (0, "certificate", found["public_pem"])
    assert found["sha1"] in output
    (kept,) = await desk.material()
    assert certificates.public_of(kept).sha256 == found["sha256"]
    assert "PRIVATE" not in file.read_text()
    code, _, errors = await desk.say("app", "certificate", "new", "contoso", "--out", str(file))
    assert (code, "is there already" in errors) == (2, True)
    again = await desk.done("app", "certificate", "new", "contoso", "--out", str(tmp_path / "again.cer"))
    assert (await desk.kinds(), Path(again["file"]).exists()) == (["certificate", "certificate"], True)


async def test_the_file_of_the_public_part_has_the_apps_name_unless_it_is_given(desk: Desk, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    assert (await desk.done("app", "add", "contoso", *IDS, "--new-certificate"))["file"] == "contoso.cer"
    code, _, errors = await desk.say("app", "certificate", "new", "contoso", "--out", "/nowhere/x.cer")
    assert (code, "no such folder" in errors) == (1, True)
    assert await desk.kinds() == ["certificate"]


async def test_where_the_public_part_cannot_be_written_nothing_is_added(desk: Desk, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    code, _, errors = await desk.say("app", "add", "contoso", *IDS, "--new-certificate", "/proc/contoso.cer")
    assert (code, "cannot be written" in errors) == (1, True)
    assert await desk.done("app", "list") == []
    await desk.say("app", "add", "contoso", "--tenant-id", TENANT, "--client-id", "x", "--new-certificate")
    await desk.say("app", "certificate", "new", "nobody")
    assert list(tmp_path.glob("*.cer")) == []


@pytest.mark.parametrize("form", ["one file", "two files", "PFX", "encrypted"])
async def test_a_certificate_is_read_from_files(desk: Desk, tmp_path: Path, pair: KeyPair, form: str) -> None:
    key, own = certificates.split(pair.pem)
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    options = ["--certificate-file", str(one)]
    one.write_text(own + "\n" + key)
    if form == "two files":
        one.write_text(own)
        two.write_text(key)
        options += ["--key-file", str(two)]
    if form == "PFX":
        one.write_bytes(pfx(pair, PASSWORD))
        options = ["--pfx-file", str(one)]
    if form == "encrypted":
        one.write_text(own + "\n" + encrypted(key_of(pair), PASSWORD))
    passwords = {"PILLARBOX_PFX_PASSWORD": PASSWORD, "PILLARBOX_KEY_PASSWORD": PASSWORD}
    added = await desk.done("app", "add", "contoso", *IDS, *options, **passwords)
    assert (added["credential"]["sha1"], added["credential"]["ends_at"]) == (pair.public.sha1, pair.public.ends_at)
    assert [certificates.split(each) for each in await desk.material()] == [certificates.split(pair.pem)]


async def test_the_password_of_a_pfx_file_is_asked_for_unseen(desk: Desk, tmp_path: Path, pair: KeyPair) -> None:
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    file = tmp_path / "contoso.pfx"
    file.write_bytes(pfx(pair, PASSWORD))
    words = ("app", "certificate", "add", "contoso", "--pfx-file", str(file))
    code, screen = await desk.asked(*words, answers=[("Password of the PFX file: ", PASSWORD)])
    assert (code, pair.public.sha1 in screen, PASSWORD in screen) == (0, True, False)
    assert await desk.kinds() == ["certificate", "secret"]
    code, _, errors = await desk.say(*words, PILLARBOX_PFX_PASSWORD="wrong")
    assert (code, "password is wrong" in errors) == (2, True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "no private key"),
        (b"nothing", "no private key"),
        (b"x" * 300_000, "too long to be a certificate. "),
        (b"0\x03abc", "the file is DER"),
    ],
)
async def test_a_file_that_holds_something_else_is_told(desk: Desk, tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "x.pem"
    file.write_bytes(content)
    code, _, errors = await desk.say("app", "add", "contoso", *IDS, "--certificate-file", str(file))
    assert (code in (2, 78), words in errors) == (True, True)


# ---- without a secret


async def test_a_pod_is_known_by_its_variables(desk: Desk, tmp_path: Path) -> None:
    pod = {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/token",
        "AZURE_AUTHORITY_HOST": desk.house.gateway.settings.addresses().authority_url,
    }
    added = await desk.done("app", "add", "contoso", "--federated", **pod)
    assert (added["client_id"], added["credential"]["source"]) == (CLIENT, "file:/var/run/secrets/token")
    other = await desk.done("app", "add", "other", *IDS, "--token-file", "/elsewhere/token", **pod)
    assert other["credential"]["source"] == "file:/elsewhere/token"


async def test_a_pod_of_another_cloud_is_told_which_setting_to_change(desk: Desk) -> None:
    pod = {"AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"}
    code, _, errors = await desk.say("app", "add", "contoso", *IDS, "--federated", **pod)
    assert (code, "microsoft.cloud" in errors) == (78, True)


async def test_identities_of_the_machine(desk: Desk) -> None:
    added = await desk.done("app", "add", "own", *IDS, "--managed-identity", "system")
    assert (added["credential"]["kind"], added["credential"]["source"]) == ("managed-identity", "system")
    added = await desk.done("app", "add", "trusted", *IDS, "--federated-identity", CLIENT)
    assert (added["credential"]["kind"], added["credential"]["source"]) == ("federated", f"managed-identity:{CLIENT}")


@pytest.mark.parametrize(
    "options",
    [
        ("--federated", "--managed-identity", "system"),
        ("--certificate-file", "x", "--pfx-file", "x"),
        ("--new-certificate", "x.cer", "--secret-from", "env:X"),
        ("--public", "--federated-identity", CLIENT),
    ],
)
async def test_two_kinds_at_once_are_refused(desk: Desk, options: tuple[str, ...]) -> None:
    code, _, errors = await desk.say("app", "add", "contoso", *IDS, *options)
    assert (code, "exactly one credential" in errors, "--federated-identity" in errors) == (2, True, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--key-file", "x"), "--key-file goes with --certificate-file."),
        (("--pfx-file", "x", "--key-file", "x"), "--key-file goes with --certificate-file."),
        (("--pfx-file", "x", "--secret-ends", SOON), "--secret-ends goes with a client secret."),
        (("--public", "--secret-ends", SOON), "--secret-ends goes with a client secret."),
    ],
)
async def test_what_belongs_to_another_credential_is_refused(desk: Desk, options: tuple[str, ...], words: str) -> None:
    code, _, errors = await desk.say("app", "add", "contoso", *IDS, *options)
    assert (code, words in errors) == (2, True)


async def test_a_further_credential_of_any_kind_is_added(desk: Desk, tmp_path: Path) -> None:
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    more = ("app", "credential", "add", "contoso")
    assert (await desk.done(*more, "--token-file", "/x/token"))["credential"]["source"] == "file:/x/token"
    await desk.done(*more, "--managed-identity", "user")
    await desk.done(*more, "--new-certificate", str(tmp_path / "x.cer"))
    await desk.done(*more, PILLARBOX_CLIENT_SECRET=OTHER)
    assert await desk.kinds() == ["secret", "certificate", "managed-identity", "federated", "secret"]
    code, _, errors = await desk.say(*more, "--federated-identity", CLIENT, "--managed-identity", "system")
    assert (code, "exactly one credential" in errors) == (2, True)


async def test_a_public_client_needs_no_credential(desk: Desk) -> None:
    code, screen = await desk.asked("app", "add", "people", *IDS, "--public", answers=[])
    assert (code, "pillarbox mailbox sign-in ADDRESS --app people" in screen) == (0, True)
    assert await desk.kinds("people") == []
    code, _, errors = await desk.say("token", "get", "--app", "people")
    assert (code != 0, "has no credential" in errors) == (True, True)


async def test_before_the_newest_credential_goes_a_person_is_asked(desk: Desk) -> None:
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    newest = (await desk.done("app", "secret", "contoso", PILLARBOX_CLIENT_SECRET=OTHER))["credential"]["id"]
    remove = ("app", "credential", "remove", "contoso", newest)
    code, screen = await desk.asked(*remove, answers=[("Remove it? [y/N]: ", "n")])
    assert (code, "tried first" in screen, len(await desk.kinds())) == (130, True, 2)
    assert (await desk.asked(*remove, "--yes", answers=[]))[0] == 0
    assert await desk.material() == [Secret(SECRET)]


async def test_a_file_without_end_is_no_secret(desk: Desk) -> None:
    for words in (("app", "add", "contoso", *IDS), ("app", "secret", "contoso")):
        code, _, errors = await desk.say(*words, PILLARBOX_CLIENT_SECRET_FILE="/dev/zero")
        assert (code, "too long to be a secret" in errors) == (78, True)


# ---- lists, and what never comes out


async def test_lists_are_tables_with_dates_and_thumbprints(desk: Desk, tmp_path: Path) -> None:
    await desk.done("app", "add", "contoso", *IDS, "--secret-ends", SOON, PILLARBOX_CLIENT_SECRET=SECRET)
    await desk.done("app", "certificate", "new", "contoso", "--out", str(tmp_path / "x.cer"))
    assert (await desk.say("app", "list"))[1] == f"contoso\t{TENANT}\t{CLIENT}\t{SOON}\n"
    certificate, secret = (await desk.say("app", "credential", "list", "contoso"))[1].splitlines()
    (shown, _) = await desk.done("app", "credential", "list", "contoso")
    assert certificate.split("\t")[:6:5] == [shown["id"], shown["sha1"]]
    assert secret.split("\t")[1:] == ["secret", "", SOON, "0 days", "", ""]


async def test_what_ends_soon_is_marked_and_told(desk: Desk) -> None:
    code, _, errors = await desk.say(
        "app", "add", "contoso", *IDS, "--secret-ends", NEAR, PILLARBOX_CLIENT_SECRET=SECRET
    )
    assert (code, f"Warning: This credential ends on {NEAR}: in 1" in errors) == (0, True)
    for words in (("app", "list"), ("app", "credential", "list", "contoso")):
        assert f"\t{NEAR} (in 1" in (await desk.say(*words))[1]


async def test_nothing_secret_comes_out_again(desk: Desk, tmp_path: Path, pair: KeyPair) -> None:
    file = tmp_path / "x.pem"
    file.write_text(pair.pem.reveal())
    await desk.done("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=SECRET)
    await desk.done("app", "certificate", "add", "contoso", "--certificate-file", str(file))
    await desk.say("app", "secret", "nobody", PILLARBOX_CLIENT_SECRET=OTHER)
    await desk.say("app", "add", "contoso", *IDS, PILLARBOX_CLIENT_SECRET=OTHER)
    await desk.done("app", "list")
    await desk.done("app", "credential", "list", "contoso")
    key = certificates.split(pair.pem)[0].splitlines()[1]
    for text in (SECRET, OTHER, key, "PRIVATE KEY"):
        assert text not in desk.printed + desk.house.log.getvalue()
