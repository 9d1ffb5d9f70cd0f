"""The Received field: what is written of a client, and what a client cannot write into it."""

import pytest

from pillarbox.core.mail import Arrival
from pillarbox.delivery.top_block import received

DATE = "Fri, 20 Nov 2026 12:00:00 -0000"


@pytest.mark.parametrize(
    ("hello", "peer", "protocol", "expected"),
    [
        ("copier.contoso.example", "192.0.2.7", "ESMTPSA", "from copier.contoso.example ([192.0.2.7])"),
        ("[192.0.2.7]", "192.0.2.7", "SMTP", "from [192.0.2.7] ([192.0.2.7])"),
        ("MY_PC", "2001:DB8::7", "ESMTP", "from MY_PC ([IPv6:2001:db8::7])"),
        ("pc", "fe80::1%eth0", "ESMTP", "from pc ([IPv6:fe80::1])"),
        ("", "192.0.2.7", "ESMTP", "from unknown ([192.0.2.7])"),
        ("localhost", "uid 1000", "ESMTPA", "from localhost"),
        # What a client may call itself, and may not write into a header.
        ("x by evil.example; Mon", "192.0.2.7", "ESMTP", "from unknown ([192.0.2.7])"),
        ("x\r\nFrom: boss@contoso.example", "192.0.2.7", "ESMTP", "from unknown ([192.0.2.7])"),
        ("(comment", "192.0.2.7", "ESMTP", "from unknown ([192.0.2.7])"),
        ("käfer", "192.0.2.7", "ESMTP", "from unknown ([192.0.2.7])"),
        ("a" * 256, "192.0.2.7", "ESMTP", "from unknown ([192.0.2.7])"),
    ],
)
def test_the_client_is_written_as_it_may_be(hello: str, peer: str, protocol: str, expected: str) -> None:
    arrival = Arrival("smtp", "smtp", peer, hello, protocol, by="mx.contoso.example")
    assert (
        received(arrival, "01ID", DATE) == f"{expected}\r\n\tby mx.contoso.example with {protocol} id 01ID;\r\n\t{DATE}"
    )


def test_of_a_client_that_nothing_is_known_of_nothing_is_written() -> None:
    assert received(Arrival("sendmail", by="mx"), "01ID", DATE) == f"by mx id 01ID;\r\n\t{DATE}"
