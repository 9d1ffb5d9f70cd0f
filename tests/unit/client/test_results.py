"""What a client reads is what the API gives: the same members, by the same names."""

from dataclasses import fields

import pytest
from pydantic import BaseModel

from pillarbox.client import results
from pillarbox.client.calls import LinkTerms
from pillarbox.endpoints.api import connect_links, events, models, uploads

OWN = {"Send": {"replayed"}}
"""What the client itself adds, from a header."""
SPARED = {"Upload": {"created_at"}}


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (results.Send, models.Send),
        (results.Attempt, models.Attempt),
        (results.Event, events.Event),
        (results.Upload, uploads.UploadOut),
        (results.ConnectLink, connect_links.ConnectLinkOut),
    ],
)
def test_every_member_is_known_by_its_name(read: type, given: type[BaseModel]) -> None:
    name = read.__name__
    known = {one.name for one in fields(read)} - OWN.get(name, set())
    assert known == set(given.model_fields) - SPARED.get(name, set())


def test_every_term_of_a_connect_link_can_be_given() -> None:
    assert {"app", "address", *LinkTerms.__annotations__} == set(connect_links.NewConnectLink.model_fields)
