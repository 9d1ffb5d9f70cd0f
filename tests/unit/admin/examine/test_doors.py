"""What the doctor says of the doors."""

import pytest

from pillarbox.admin.examine.doors import judge_end, reached_at

DAY = 86400.0


@pytest.mark.parametrize(
    ("address", "at"),
    [
        ("0.0.0.0:25", ("127.0.0.1", 25)),
        ("[::]:587", ("::1", 587)),
        ("[::1]:2525", ("::1", 2525)),
        ("192.0.2.1:465", ("192.0.2.1", 465)),
        ("mail.contoso.example:25", ("mail.contoso.example", 25)),
    ],
)
def test_a_listener_of_all_addresses_is_reached_at_this_machine(address: str, at: tuple[str, int]) -> None:
    assert reached_at(address) == at


@pytest.mark.parametrize(("days", "severity"), [(100, "ok"), (20, "warning"), (3, "problem"), (-1, "problem")])
def test_a_certificate_that_ends_is_told(days: float, severity: str) -> None:
    assert judge_end("/etc/mail.pem (smtp)", 1e9 + days * DAY, 1e9).severity == severity
