"""Worlds of one's own: what a seed file plants, and each mistake with its place."""

import json
from pathlib import Path

import pytest

from pillarbox.emulator import SigningKey, World
from pillarbox.emulator.seed_file import plant
from pillarbox.emulator.seed_table import SeedError

NOW = 1_795_176_000.0
CONTOSO = '[[tenant]]\ndomain = "contoso.example"\n'
ALICE = '[[tenant.user]]\naddress = "alice"\n'
WEB = '[[tenant.app]]\nname = "Web"\n'
IDENTITY = "[[tenant.managed_identity]]\nname = 'vm'\n"
GUID = "0c0ffee0-0000-4000-8000-000000000000"


def planted(folder: Path, text: str) -> World:
    file = folder / "seed.toml"
    file.write_text(text, "utf-8")
    world = World()
    plant(world, file, NOW)
    return world


def test_a_tenant_with_its_settings(tmp_path: Path) -> None:
    text = CONTOSO + f'id = "{GUID}"\nmore_domains = ["contoso.test"]\nname = "C"\nusers_may_consent = false\n'
    tenant = planted(tmp_path, text + "smtp_auth = false\n").only_tenant()
    assert (tenant.id, tenant.name, tenant.domains) == (GUID, "C", ["contoso.example", "contoso.test"])
    assert (tenant.users_may_consent, tenant.smtp_auth) == (False, False)


def test_a_user_with_everything(tmp_path: Path) -> None:
    text = (
        ALICE + f'id = "{GUID}"\nname = "Alice A"\naliases = ["a@contoso.example"]\npassword = "x"\nrefusal = 53003\n'
    )
    text += 'second_factor = "enrolled"\nadministrator = true\nsmtp_auth = false\nimap = false\nfull = true\n'
    text += "max_send_size = 9\n"
    user = planted(tmp_path, CONTOSO + text).only_tenant().users[GUID]
    assert (user.upn, user.name, user.aliases) == ("alice@contoso.example", "Alice A", ["a@contoso.example"])
    assert (user.password, user.refusal, user.second_factor, user.administrator) == ("x", 53003, "enrolled", True)
    assert user.mailbox
    assert (user.mailbox.smtp_auth, user.mailbox.imap, user.mailbox.full) == (False, False, True)
    assert user.mailbox.max_send_size == 9


def test_who_is_given_no_password_gets_one(tmp_path: Path) -> None:
    (user,) = planted(tmp_path, CONTOSO + ALICE).only_tenant().users.values()
    assert user.password
    assert len(user.password) >= 16


def test_mail_comes_from_eml_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "1.eml").write_bytes(b"Message-ID: <1@x>\r\nDate: Fri, 20 Nov 2026 11:00:00 +0000\r\n\r\n1")
    (tmp_path / "mail" / "2.eml").write_bytes(b"Subject: no date\r\n\r\n2")
    world = planted(
        tmp_path, CONTOSO + ALICE + '[[tenant.user.mail]]\nfolder = "archive"\npath = "mail"\nread = true\n'
    )
    mailbox = world.mailbox("alice@contoso.example")
    second, first = mailbox.messages(NOW, mailbox.folders["archive"])
    assert (first.internet_message_id, first.received, first.read) == ("<1@x>", NOW - 3600, True)
    assert (second.mime, second.received) == (b"Subject: no date\r\n\r\n2", NOW)


def test_an_app_with_consent(tmp_path: Path) -> None:
    text = WEB + f'client_id = "{GUID}"\nsecret = "s"\nroles = ["Mail.Send", "exchange:SMTP.SendAsApp"]\n'
    text += 'scopes = ["User.Read"]\nredirect_uris = ["https://web.example/cb"]\nexchange = true\n'
    tenant = planted(tmp_path, CONTOSO + text).only_tenant()
    app = tenant.apps[GUID]
    assert app.principal
    assert (app.secrets[0].value, app.consented) == ("s", ["Mail.Send", "SMTP.SendAsApp"])
    assert [each.scopes for each in tenant.grants] == [{"User.Read"}]
    assert tenant.exchange_principals == {GUID: app.principal.id}


def test_an_app_without_consent(tmp_path: Path) -> None:
    tenant = planted(tmp_path, CONTOSO + WEB + 'roles = ["Mail.Send"]\nconsent = false\n').only_tenant()
    (app,) = tenant.apps.values()
    assert (app.requested, app.consented) == (["Mail.Send"], [])


def test_a_public_app_has_no_secret(tmp_path: Path) -> None:
    (app,) = planted(tmp_path, CONTOSO + WEB + "public = true\n").only_tenant().apps.values()
    assert (app.secrets, app.public_client) == ([], True)


def test_a_federated_credential_has_microsofts_audience(tmp_path: Path) -> None:
    text = WEB + '[[tenant.app.federated]]\nname = "k8s"\nissuer = "https://k8s.example"\nsubject = "s"\n'
    (app,) = planted(tmp_path, CONTOSO + text).only_tenant().apps.values()
    assert app.federated[0].audiences == ["api://AzureADTokenExchange"]


FEDERATED = WEB + '[[tenant.app.federated]]\nname = "k8s"\nissuer = "https://k8s.example"\nsubject = "s"\n'


def test_keys_of_an_issuer_come_from_a_file_beside_it(tmp_path: Path) -> None:
    text = json.dumps({"keys": [SigningKey().jwk("x")]})
    (tmp_path / "keys.json").write_text(text, "utf-8")
    world = planted(tmp_path, CONTOSO + FEDERATED + 'jwks = "keys.json"\n')
    assert world.issuers == {"https://k8s.example": json.loads(text)}


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("{", "Expecting"), ("{}", "a JWKS is needed")]
)
def test_keys_that_are_none_are_told_with_their_place(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "keys.json").write_text(content, "utf-8")
    with pytest.raises(SeedError, match=rf"app\[1\]\.federated\[1\]\.jwks: .*{reason}"):
        planted(tmp_path, CONTOSO + FEDERATED + 'jwks = "keys.json"\n')


def test_identities_of_the_machine(tmp_path: Path) -> None:
    text = '[[tenant.managed_identity]]\nname = "vm"\nroles = ["Mail.Send"]\n'
    text += f'[[tenant.managed_identity]]\nname = "shared"\nuser_assigned = true\nclient_id = "{GUID}"\n'
    world = planted(tmp_path, CONTOSO + text)
    own, shared = world.managed_identities
    assert world.own_identity is own
    assert [each.permission.name for each in own.principal.roles] == ["Mail.Send"]
    assert (shared.principal.client_id, shared.principal.name, shared.user_assigned) == (GUID, "shared", True)


def test_consent_of_one_person(tmp_path: Path) -> None:
    text = WEB + 'consent = false\n[[tenant.consent]]\napp = "Web"\nuser = "alice"\nscopes = ["Mail.Read"]\n'
    tenant = planted(tmp_path, CONTOSO + ALICE + text).only_tenant()
    (user,) = tenant.users.values()
    assert [(each.user_id, each.scopes) for each in tenant.grants] == [(user.id, {"Mail.Read"})]


def test_an_exchange_role_over_a_scope(tmp_path: Path) -> None:
    text = ALICE + '[[tenant.user]]\naddress = "bob"\n[[tenant.group]]\nname = "Senders"\nmembers = ["alice"]\n' + WEB
    text += (
        '[[tenant.scope]]\nname = "S"\nfilter = "MemberOfGroup -eq \'CN=Senders,OU=Groups,DC=contoso,DC=example\'"\n'
    )
    text += '[[tenant.exchange_role]]\napp = "Web"\nrole = "Application Mail.Send"\nscope = "S"\n'
    tenant = planted(tmp_path, CONTOSO + text).only_tenant()
    (app,) = tenant.apps.values()
    assert app.principal
    groups = list(tenant.groups.values())
    allowed = [
        user.name
        for user in tenant.users.values()
        if tenant.exchange_roles.allow(app.principal.id, "Mail.Send", user, groups)
    ]
    assert allowed == ["Alice"]


def test_roles_and_groups_of_an_app(tmp_path: Path) -> None:
    text = (
        ALICE + f'[[tenant.group]]\nname = "Team"\nid = "{GUID}"\nmembers = ["alice"]\n' + WEB + "names_groups = true\n"
    )
    text += '[[tenant.app.app_role]]\nvalue = "Read"\nusers = ["alice"]\ngroups = ["Team"]\n'
    tenant = planted(tmp_path, CONTOSO + text).only_tenant()
    ((app,), (user,)) = tenant.apps.values(), tenant.users.values()
    assert (app.names_groups, app.app_roles) == (True, {"Read": {user.id, GUID}})
    assert tenant.groups_of(user) == {GUID}


def test_rights_on_a_mailbox(tmp_path: Path) -> None:
    text = ALICE + '[[tenant.user]]\naddress = "bob"\n' + WEB
    text += '[[tenant.mailbox_right]]\nmailbox = "alice"\nuser = "bob"\nrights = ["send_as"]\n'
    text += '[[tenant.mailbox_right]]\nmailbox = "alice"\napp = "Web"\nrights = ["full_access"]\n'
    world = planted(tmp_path, CONTOSO + text)
    tenant = world.only_tenant()
    (app,) = tenant.apps.values()
    assert app.principal
    mailbox = world.mailbox("alice@contoso.example")
    bob = tenant.user_by_address("bob@contoso.example")
    assert bob
    assert (mailbox.send_as, mailbox.full_access) == ({bob.id}, {app.principal.id})


MISTAKES = {
    "": "seed.toml: a [[tenant]] is needed",
    CONTOSO + f"id = '{GUID}'\n[[tenant]]\ndomain = 'x.example'\nid = '{GUID}'": "tenant[2].id: there is a tenant with",
    CONTOSO + ALICE + f"id = '{GUID}'\n[[tenant.user]]\naddress = 'b'\nid = '{GUID}'": "user[2].address: there is a",
    CONTOSO + WEB + f"client_id = '{GUID}'\n{WEB}client_id = '{GUID}'": "app[2].client_id: there is an app with that",
    CONTOSO + "[[tenant.user]]\naddress = 'b@other.example'": "user[1].address: other.example is no domain",
    CONTOSO + "[[tenant.user]]\naddress = ''": "user[1].address: no address: ''",
    CONTOSO + "[[tenant.user]]\naddress = 'a b'": "user[1].address: no address: 'a b'",
    CONTOSO + "[[tenant.user]]\naddress = '@contoso.example'": "user[1].address: no address",
    CONTOSO + "[[tenant.user]]\naddress = 'a@b@contoso.example'": "user[1].address: no address",
    CONTOSO + ALICE + "aliases = ['x@other.example']": "user[1].aliases: other.example is no domain",
    CONTOSO + ALICE + "refusal = 99999": "user[1].refusal: no AADSTS number that is known here: 99999",
    "[[tenant]]\ndomain = 'common'": "tenant[1].domain: no domain: 'common'",
    "[[tenant]]\ndomain = 'a b.example'": "tenant[1].domain: no domain",
    "[[tenant]]\ndomain = ''": "tenant[1].domain: no domain: ''",
    CONTOSO + WEB + "redirect_uris = ['not a uri']": "app[1].redirect_uris: no redirect URI: 'not a uri'",
    CONTOSO + WEB + "redirect_uris = ['https://a/#f']": "app[1].redirect_uris: no redirect URI",
    CONTOSO + WEB + "scopes = ['Mail.Fly']": "app[1].scopes: no such delegated permission: Mail.Fly",
    CONTOSO + WEB + "certificates = ['none.pem']": "app[1].certificates: [Errno 2]",
    CONTOSO + "[[tenant.group]]\nname = 'x'\n" * 2: "group[2].name: there is a group of that name: x",
    CONTOSO + "[[tenant.scope]]\nname = 'x'\nfilter = \"Name -eq 'a'\"\n" * 2: "scope[2].name: there is a scope",
    CONTOSO + "[[tenant.scope]]\nname = 'x'\nfilter = \"MemberOfGroup -eq 'CN=x'\"": "scope[1].filter: no [[tenant",
    "x = " + "[" * 5000: "seed.toml: ",
    "tenant = 3": "seed.toml.tenant: a list is needed",
    "tenant = [1]": "seed.toml.tenant[1]: a table is needed",
    "x": "seed.toml: Expected",
    CONTOSO + "typo = 1": "seed.toml.tenant[1]: unknown: typo",
    "[[tenant]]\nname = 'x'": "seed.toml.tenant[1]: domain is missing",
    "[[tenant]]\ndomain = 3": "seed.toml.tenant[1].domain: a string is needed",
    CONTOSO + "id = 'x'": "seed.toml.tenant[1].id: a GUID is needed",
    CONTOSO + CONTOSO: "seed.toml.tenant[2].domain: another tenant has it: contoso.example",
    CONTOSO + ALICE + ALICE: "seed.toml.tenant[1].user[2].address: address is taken: alice@contoso.example",
    CONTOSO + ALICE + "licensed = 'yes'": "seed.toml.tenant[1].user[1].licensed: true or false is needed",
    CONTOSO + ALICE + "refusal = true": "seed.toml.tenant[1].user[1].refusal: a whole number is needed",
    CONTOSO + ALICE + "aliases = [1]": "seed.toml.tenant[1].user[1].aliases: strings are needed",
    CONTOSO + ALICE + "second_factor = 'sms'": "second_factor: one of none, enrolled, demanded is needed",
    CONTOSO + ALICE + "[[tenant.user.mail]]\npath = 'x'": "seed.toml.tenant[1].user[1].mail[1].path: no .eml files",
    CONTOSO + ALICE + "[[tenant.user.mail]]\nfolder = 'x'\npath = 'x'": "mail[1].folder: no such folder: x",
    CONTOSO + WEB + "roles = ['Mail.Fly']": "app[1].roles: no such application permission: Mail.Fly",
    CONTOSO + WEB + "audience = 'all'": "app[1].audience: one of",
    CONTOSO + WEB + "certificates = ['../seed.toml']": "app[1].certificates",
    CONTOSO + IDENTITY + "roles = ['Mail.Fly']": "managed_identity[1].roles: no such application permission: Mail.Fly",
    CONTOSO + IDENTITY + IDENTITY: "managed_identity[2].user_assigned: the machine has an identity of its own",
    CONTOSO + IDENTITY + "client_id = 'x'": "managed_identity[1].client_id: a GUID is needed",
    CONTOSO + IDENTITY + "system = true": "managed_identity[1]: unknown: system",
    CONTOSO
    + WEB
    + f"client_id = '{GUID}'\n"
    + IDENTITY
    + f"client_id = '{GUID}'": "managed_identity[1].client_id: there is an app",
    CONTOSO + "[[tenant.group]]\nname = 'x'\nmembers = ['ghost']": "group[1].members: no such user: ghost",
    CONTOSO
    + f"[[tenant.group]]\nname = 'x'\nid = '{GUID}'\n[[tenant.group]]\nname = 'y'\nid = '{GUID}'": "group[2].id: ",
    CONTOSO + WEB + "[[tenant.app.app_role]]\nvalue = 'x'\ngroups = ['ghost']": "app_role[1].groups: no such [[tenant",
    CONTOSO + WEB + "[[tenant.app.app_role]]\nvalue = 'x'\n" * 2: "app_role[2].value: there is an app role of that",
    CONTOSO + "[[tenant.consent]]\napp = 'ghost'": "consent[1].app: no apps of that name: ghost",
    CONTOSO + WEB + WEB + "[[tenant.consent]]\napp = 'Web'": "consent[1].app: 2 apps of that name: Web",
    CONTOSO + WEB + "[[tenant.consent]]\napp = 'Web'\nscopes = ['x']": "consent[1].scopes: no such",
    CONTOSO + "[[tenant.scope]]\nname = 'x'\nfilter = 'x'": "scope[1].filter: not emulated in a recipient filter: x",
    CONTOSO + WEB + "[[tenant.exchange_role]]\napp = 'Web'\nrole = 'x'": "exchange_role[1].role: one of",
    CONTOSO
    + ALICE
    + "[[tenant.mailbox_right]]\nmailbox = 'alice'\nuser = 'alice'\nrights = ['x']": "full_access or send_as is needed",
}


def test_a_place_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(SeedError) as caught:
        planted(tmp_path, "[[tenant]]\ndomain = 3")
    assert str(caught.value) == "seed.toml.tenant[1].domain: a string is needed"


@pytest.mark.parametrize("text", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "seed.toml").write_text("no certificate")
    with pytest.raises(SeedError) as caught:
        planted(tmp_path / "sub", text)
    assert MISTAKES[text] in str(caught.value)


def test_bytes_that_are_not_utf8_are_a_seed_error(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_bytes(b"\xff")
    with pytest.raises(SeedError, match=r"seed\.toml"):
        plant(World(), tmp_path / "seed.toml", NOW)


VAULT = '[[tenant.key_vault]]\nname = "contoso"\n'


def test_a_key_vault_with_its_readers_and_versions(tmp_path: Path) -> None:
    secret = '[[tenant.key_vault.secret]]\nname = "master-key"\nvalue = "{}"\nenabled = {}\n'
    text = CONTOSO + WEB + IDENTITY + VAULT + 'readers = ["Web", "vm"]\n'
    world = planted(tmp_path, text + secret.format("old", "false") + secret.format("new", "true"))
    vault = world.key_vaults["contoso"]
    assert [(each.value, each.enabled) for each in vault.secrets["master-key"]] == [("old", False), ("new", True)]
    assert len(vault.readers) == 2
    assert vault.tenant_id == world.only_tenant().id


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (VAULT + 'readers = ["nobody"]\n', "no apps or identities of that name: nobody"),
        (VAULT + VAULT, "there is a key vault of that name"),
        (VAULT.replace("contoso", "a.b"), "3 to 24 letters"),
        (VAULT + '[[tenant.key_vault.secret]]\nname = "a"\n', "value is missing"),
    ],
)
def test_mistakes_of_a_key_vault_have_their_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SeedError, match=words):
        planted(tmp_path, CONTOSO + text)
