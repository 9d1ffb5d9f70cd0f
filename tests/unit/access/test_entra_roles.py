"""Which of our roles an id token gives, also one that says odd things."""

from typing import Any

import pytest

from pillarbox.access.entra_roles import roles_of
from pillarbox.core.caller import Role
from pillarbox.core.errors import Forbidden

GROUP, OTHER = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
HOLDERS = {Role.ADMIN: (GROUP,), Role.OPERATOR: ("Mail.Operate", OTHER), Role.AUDITOR: ()}


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"groups": [GROUP]}, {Role.ADMIN}),
        ({"groups": [GROUP.upper(), "a"]}, {Role.ADMIN}),
        ({"groups": [OTHER, GROUP]}, {Role.ADMIN, Role.OPERATOR}),
        ({"roles": ["Mail.Operate"]}, {Role.OPERATOR}),
        ({"roles": ["Mail.Operate"], "groups": [GROUP]}, {Role.ADMIN, Role.OPERATOR}),
        ({"roles": ["Mail.Operate"], "hasgroups": True}, {Role.OPERATOR}),
        ({"roles": [3, None, "Mail.Operate"]}, {Role.OPERATOR}),
    ],
)
def test_app_roles_and_groups_give_roles(claims: dict[str, Any], roles: set[Role]) -> None:
    assert roles_of(claims, HOLDERS, "alice") == roles


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"roles": ["mail.operate"]},
        {"roles": "Mail.Operate"},
        {"roles": {"Mail.Operate": True}},
        {"roles": [["Mail.Operate"]]},
        {"roles": [""]},
        {"groups": ["Mail.Operate"]},
        {"groups": GROUP},
        {"groups": [GROUP + " "]},
        {"wids": [GROUP], "scp": "Mail.Operate", "amr": ["Mail.Operate"]},
        {"hasgroups": False, "_claim_names": {"other": "src1"}},
    ],
)
def test_whoever_has_none_of_them_has_no_role(claims: dict[str, Any]) -> None:
    with pytest.raises(Forbidden) as refused:
        roles_of(claims, HOLDERS, "alice")
    assert (refused.value.code, refused.value.params) == ("person.no_mapped_role", {"name": "alice"})


@pytest.mark.parametrize("claims", [{"hasgroups": True}, {"_claim_names": {"groups": "src1"}, "roles": ["Other"]}])
def test_groups_that_the_token_leaves_out_are_told(claims: dict[str, Any]) -> None:
    with pytest.raises(Forbidden) as refused:
        roles_of(claims, HOLDERS, "alice")
    assert refused.value.code == "person.too_many_groups"
