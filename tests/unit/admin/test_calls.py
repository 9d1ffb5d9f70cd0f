"""The journeys behind `pillarbox token` and `pillarbox graph`: whose token, and what becomes of Graph's answer."""

import json
import time
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from pillarbox.admin.calls import Call, Calls, checked
from pillarbox.core.accounts import Account, Mailbox, SignIn
from pillarbox.core.errors import InvalidInput, NotFound, PillarboxError
from pillarbox.core.graph_limits import MOST_SENT
from pillarbox.core.scopes import Resource, token_scopes, with_identity
from pillarbox.core.vault import Secret
from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.http import Answer
from pillarbox.emulator.http import Call as Asked
from pillarbox.emulator.world import App
from pillarbox.endpoints.api.calls import LOCAL_ONLY
from pillarbox.entra.acquire import Memory
from pillarbox.entra.password import by_password
from pillarbox.gateway import Gateway
from tests.conftest import CHEAP_HASH, House, Log, MakeHouse, Microsoft, house_settings
from tests.openapi.recorder import Recorder

ALICE = "alice@contoso.example"
ERP = "erp@contoso.example"


def calls_of(house: House) -> Calls:
    gateway = house.gateway
    return Calls(gateway.accounts, gateway.clients(), lambda: 1_795_176_000.0, gateway.log)


async def app_only(make_house: MakeHouse, *addresses: str, app: App | None = None) -> tuple[House, Calls]:
    house = await make_house(start=False)
    await house.furnish(*(addresses or (ERP,)), app=app or house.microsoft.seed.writer)
    return house, calls_of(house)


async def signed_in(house: House) -> Mailbox:
    """Alice's mailbox, connected by her password."""
    accounts, clients, planted = house.gateway.accounts, house.gateway.clients(), house.microsoft.seed
    app = await accounts.add_app("people", planted.tenant.id, planted.desktop.client_id, Secret("-"))
    assert app is not None
    added = await accounts.add_mailbox(ALICE, app)
    assert added is not None
    scopes = token_scopes(clients.cloud, ("mail",), Resource.GRAPH, shared=False)
    password = Secret(planted.passwords[ALICE])
    told = await by_password(clients.authority, app, None, ALICE, password, with_identity(scopes))
    memory = Memory()
    await clients.acquire.keep_refresh_token(app, True, told["refresh_token"], scopes, memory)
    alice = planted.user("alice")
    sign_in = SignIn(("mail",), True, False, Account(planted.tenant.id, alice.id, alice.upn), "")
    await accounts.signed_in(added, sign_in, memory.cache.serialize().encode())
    found = await accounts.mailbox(ALICE)
    assert found is not None
    return found


# ---- for whom


async def test_the_only_mailbox_need_not_be_named(make_house: MakeHouse) -> None:
    _, calls = await app_only(make_house, ERP)
    found = await calls.holder(None, None)
    assert isinstance(found, Mailbox)
    assert found.address == ERP


async def test_with_several_mailboxes_the_only_app_is_meant(make_house: MakeHouse) -> None:
    _, calls = await app_only(make_house, ERP, "scanner@contoso.example")
    assert await calls.holder(None, None) == await calls.holder("contoso", None)


async def test_one_is_named_and_not_two(make_house: MakeHouse) -> None:
    _, calls = await app_only(make_house, ERP)
    with pytest.raises(InvalidInput) as caught:
        await calls.holder("contoso", ERP)
    assert (caught.value.code, caught.value.cure) == ("graph.who_of_two", "Say one of --app and --mailbox.")


async def test_where_there_is_a_choice_one_must_be_named(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house, ERP)
    await signed_in(house)
    with pytest.raises(InvalidInput) as caught:
        await calls.holder(None, None)
    assert caught.value.code == "graph.who"
    found = await calls.holder(None, ALICE.upper())
    assert isinstance(found, Mailbox)
    assert found.address == ALICE


async def test_a_name_that_is_unknown_is_said_so(make_house: MakeHouse) -> None:
    _, calls = await app_only(make_house)
    for app, mailbox in (("fabrikam", None), (None, "x@fabrikam.example")):
        with pytest.raises(NotFound):
            await calls.holder(app, mailbox)


# ---- tokens


async def test_a_token_is_kept_unless_a_fresh_one_is_asked_for(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    holder = await calls.holder("contoso", None)
    tokens = [await calls.token_of(holder, Resource.GRAPH, fresh=fresh, reveal=False) for fresh in (False, False, True)]
    assert tokens[0] == tokens[1] != tokens[2]
    assert house.microsoft.emulator.ledger.token_requests == 2


async def test_each_resource_has_its_token(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    house = await make_exchange_app(house)
    holder = await calls.holder("exchange", None)
    audiences = set()
    for resource in Resource:
        token = await calls.token_of(holder, resource, fresh=False, reveal=False)
        audiences.add(jwt.decode(token.reveal(), options={"verify_signature": False})["aud"])
    assert len(audiences) == 2


async def make_exchange_app(house: House) -> House:
    planted = house.microsoft.seed
    secret = Secret(planted.secrets[planted.exchange.client_id])
    await house.gateway.accounts.add_app("exchange", planted.tenant.id, planted.exchange.client_id, secret)
    return house


async def test_who_had_a_token_shown_stands_in_the_log_and_the_token_does_not(make_house: MakeHouse) -> None:
    house = await make_house({"log.level": "debug"}, start=False)
    await house.furnish(ERP, app=house.microsoft.seed.writer)
    calls = calls_of(house)
    holder = await calls.holder(None, ERP)
    hidden = await calls.token_of(holder, Resource.GRAPH, fresh=False, reveal=False)
    assert house.log.lines("token.revealed") == []
    await calls.token_of(holder, Resource.GRAPH, fresh=False, reveal=True)
    await calls.graph_call(holder, Call(f"/users/{ERP}/messages?$filter=subject eq 'payroll'"))
    (line,) = house.log.lines("token.revealed")
    assert f"holder={ERP}" in line
    (line,) = house.log.lines("graph.called")
    assert "status=200" in line
    said = house.log.getvalue()
    assert hidden.reveal().rpartition(".")[0] not in said
    assert "payroll" not in said
    assert house.microsoft.seed.secrets[house.microsoft.seed.writer.client_id] not in said


# ---- calls


async def test_an_apps_mailbox_is_read_with_the_apps_token_and_a_persons_with_theirs(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    alice = await signed_in(house)
    by_app = await calls.graph_call(await calls.holder("contoso", None), Call(f"/users/{ERP}/messages"))
    by_person = await calls.graph_call(alice, Call("/me/messages"))
    assert (by_app.answer.status, by_person.answer.status) == (200, 200)


@pytest.mark.parametrize("path", ["/me", "me", "/me/messages", "/ME?$select=id", "/v1.0/me"])
async def test_me_with_an_apps_token_gets_a_hint_of_its_own(make_house: MakeHouse, path: str) -> None:
    house, calls = await app_only(make_house)
    path = house.microsoft.emulator.url + path if path.startswith("/v1.0") else path
    called = await calls.graph_call(await calls.holder(None, ERP), Call(path))
    assert called.refusal is not None
    assert called.refusal.code == "graph.me_without_person"
    assert f"/users/{ERP}" in called.refusal.cure
    assert "/me request is only valid with delegated authentication flow" in called.refusal.sentence


async def test_another_bad_request_gets_no_hint_about_me(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    called = await calls.graph_call(await calls.holder(None, ERP), Call("/users/me/nothing"))
    assert called.refusal is not None
    assert called.refusal.code == "graph.refused"
    called = await calls.graph_call(await signed_in(house), Call("/me/nothing"))
    assert called.refusal is not None
    assert called.refusal.code == "graph.refused"


async def test_a_body_is_json_unless_a_header_says_otherwise(make_house: MakeHouse) -> None:
    _, calls = await app_only(make_house)
    holder = await calls.holder(None, None)
    path = f"/users/{ERP}/messages"
    made = await calls.graph_call(holder, Call(path, "POST", body=b'{"subject":"by JSON"}'))
    assert (made.answer.status, json.loads(made.answer.body)["subject"]) == (201, "by JSON")
    mime = b"U3ViamVjdDogYnkgTUlNRQ0KDQpoaQ0K"
    made = await calls.graph_call(holder, Call(path, "POST", headers={"content-type": "text/plain"}, body=mime))
    assert (made.answer.status, json.loads(made.answer.body)["subject"]) == (201, "by MIME")


async def test_after_a_refused_right_the_next_token_is_a_new_one(make_house: MakeHouse) -> None:
    now = time.time()
    house = await make_house(start=False, clock=lambda: now)
    await house.furnish(ERP, app=house.microsoft.seed.writer)
    calls = calls_of(house)
    holder = await calls.holder(None, None)
    for _ in range(2):
        called = await calls.graph_call(holder, Call("/users"))
        assert called.refusal is not None
        assert (called.refusal.code, called.refusal.entry.exit) == ("graph.forbidden", 5)
        now += 61
    assert house.microsoft.emulator.ledger.token_requests == 2


async def test_a_lost_answer_is_told_without_talk_of_mail(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    holder = await calls.holder(None, None)
    house.microsoft.emulator.faults.add(path="/messages", cut=True)
    for journey in (calls.graph_call, calls.graph_page):
        with pytest.raises(PillarboxError) as caught:
            await journey(holder, Call(f"/users/{ERP}/messages"))
        assert caught.value.code == "graph.answer_lost"


async def test_an_answer_that_is_too_long_is_said_so_with_what_was_done(make_house: MakeHouse) -> None:
    _, calls = await app_only(make_house)
    holder = await calls.holder(None, None)
    with pytest.raises(PillarboxError) as caught:
        await replace(calls, most_read=10).graph_call(holder, Call(f"/users/{ERP}/messages", "POST", body=b"{}"))
    assert caught.value.code == "graph.too_large"
    assert "status 201" in caught.value.sentence


async def test_a_link_to_another_host_ends_the_pages(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    holder = await calls.holder(None, None)
    for _ in range(2):
        await calls.graph_call(holder, Call(f"/users/{ERP}/messages", "POST", body=b"{}"))
    house.microsoft.emulator.faults.add(path="/messages", next_link_host="graph.microsoft.com.evil.example")
    page = await calls.graph_page(holder, Call(f"/users/{ERP}/messages?$top=1"))
    assert page.next is not None
    with pytest.raises(PillarboxError) as caught:
        await calls.graph_page(holder, Call(page.next))
    assert caught.value.code == "graph.foreign_link"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"aUTHORIZATION": "Bearer x"},
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Proxy-Authorization": "Basic x"},
        {"X-A": "b\r\nAuthorization: Bearer x"},
        {"X-A\r\nAuthorization": "Bearer x"},
        {"X-A": "b\x00"},
        {"X A": "b"},
        {"": "b"},
        {"Authorization ": "Bearer x"},
    ],
)
def test_a_header_that_is_ours_or_breaks_the_line_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked(headers)
    assert caught.value.code == "graph.bad_header"
    assert caught.value.sentence.isprintable()


async def test_a_header_is_refused_before_anything_is_sent(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    holder = await calls.holder(None, None)
    for journey in (calls.graph_call, calls.graph_page):
        with pytest.raises(InvalidInput):
            await journey(holder, Call("/users", headers={"Authorization": "Bearer x"}))
    assert house.microsoft.emulator.ledger.token_requests == 0


# ---- continuous access evaluation


async def test_what_graph_demands_of_a_token_reaches_the_token_endpoint(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> None:
    claims: list[str] = []

    def witness(asked: Asked, answer: Answer, template: str | None) -> None:
        recorder(asked, answer, template)
        if asked.path.endswith("/token"):
            claims.append(asked.form.get("claims", ""))

    folder = tmp_path / "emulator"
    folder.mkdir()
    async with Emulator(folder, certificates=certificates, signing_key=signing_key, witness=witness) as emulator:
        microsoft, log = Microsoft(emulator, seed(emulator.world)), Log()
        settings = house_settings(tmp_path, microsoft.settings)
        gateway = Gateway(settings, {}, hash_cost=CHEAP_HASH, log_file=log)
        await gateway.open()
        house = House(gateway, microsoft, log)
        await house.furnish(ERP, app=microsoft.seed.writer)
        calls, call = calls_of(house), Call(f"/users/{ERP}/messages")
        holder = await calls.holder(None, None)
        await calls.graph_call(holder, call)
        emulator.revoke_tokens()
        called = await calls.graph_call(holder, replace(call))
        await gateway.stop()
    assert called.answer.status == 200
    assert ["nbf" in text for text in claims] == [False, True]


# ---- where


async def test_the_routes_say_that_they_are_for_the_local_socket_alone(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    paths = house.gateway.api.openapi()["paths"]
    local = {path for path, verbs in paths.items() for verb in verbs.values() if LOCAL_ONLY in verb.get("tags", ())}
    assert local == {"/api/v1/tokens", "/api/v1/graph", "/api/v1/graph:page"}


# ---- limits


async def test_a_body_that_graph_does_not_take_is_not_sent(make_house: MakeHouse) -> None:
    house, calls = await app_only(make_house)
    holder = await calls.holder(None, ERP)
    with pytest.raises(InvalidInput) as caught:
        await calls.graph_call(holder, Call(f"/users/{ERP}/messages", "POST", body=bytes(MOST_SENT + 1)))
    assert (caught.value.code, house.microsoft.emulator.ledger.token_requests) == ("graph.data_too_large", 0)


def test_a_header_is_given_once_in_any_case() -> None:
    with pytest.raises(InvalidInput) as caught:
        checked({"Prefer": "a", "prefer": "b"})
    assert caught.value.params["reason"] == "it is given twice"


@pytest.mark.parametrize("path", ["/me", "me?x", "/v1.0/me", "v1.0/me", "/beta/me/messages"])
async def test_me_behind_an_app_is_told_however_it_is_written(make_house: MakeHouse, path: str) -> None:
    _, calls = await app_only(make_house)
    called = await calls.graph_call(await calls.holder(None, ERP), Call(path))
    assert called.refusal is not None
    assert called.refusal.code == "graph.me_without_person"
