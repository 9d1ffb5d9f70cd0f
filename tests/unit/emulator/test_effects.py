"""What a rule makes of an answer: the bomb is real gzip, links lead elsewhere, the answer that was given stays."""

import gzip
import json

import pytest

from pillarbox.emulator import Fault
from pillarbox.emulator.effects import bomb, spoil
from pillarbox.emulator.http import Answer

BASE = "https://localhost:1"
PAGE = {"value": [{"subject": "hi"}], "@odata.nextLink": f"{BASE}/v1.0/me/messages?$skip=10"}


@pytest.mark.parametrize("megabytes", [1, 3])
def test_a_bomb_unpacks_to_its_size(megabytes: int) -> None:
    packed = bomb(megabytes)
    assert gzip.decompress(packed) == b" " * (megabytes * 1_000_000)
    assert len(packed) < megabytes * 2000


def test_a_bomb_says_that_it_is_gzip() -> None:
    spoilt = spoil(Answer.json({}), Fault(gzip_bomb=1), 0)
    assert (spoilt.body, spoilt.headers["Content-Encoding"]) == (bomb(1), "gzip")
    assert spoilt.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink", "uploadUrl"])
def test_links_lead_to_another_host(name: str) -> None:
    answer = Answer.json({"value": [], name: f"{BASE}/v1.0/x?$skip=1"})
    spoilt = json.loads(spoil(answer, Fault(next_link_host="evil.example:8443"), 0).body)
    assert spoilt == {"value": [], name: "https://evil.example:8443/v1.0/x?$skip=1"}


def test_links_inside_a_batch_too() -> None:
    batch = {"responses": [{"id": "1", "status": 200, "body": PAGE}]}
    spoilt = json.loads(spoil(Answer.json(batch), Fault(next_link_host="evil.example"), 0).body)
    assert spoilt["responses"][0]["body"]["@odata.nextLink"].startswith("https://evil.example/v1.0/")
    assert spoilt["responses"][0]["id"] == "1"


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b"7"])
def test_other_bodies_have_no_links(body: bytes) -> None:
    assert json.dumps(spoil(Answer(200, body), Fault(next_link_host="evil.example"), 0).body.decode())


def test_the_answer_that_was_given_stays() -> None:
    answer = Answer.json(PAGE)
    kept = (answer.status, answer.body, dict(answer.headers))
    spoil(answer, Fault(status=201, when="after", headers={"X-A": "b"}, empty_body=True, truncate=3), 0)
    assert (answer.status, answer.body, answer.headers, answer.truncate) == (*kept, None)
