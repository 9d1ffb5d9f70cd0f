"""What `make fuzz` fuzzes: hostile bytes at the parts that read them first, each by its property tests."""

from typing import Final

TARGETS: Final = {
    "session": ("tests/unit/endpoints/smtp/test_session.py", "tests/unit/endpoints/smtp/test_data.py"),
    "headers": ("tests/unit/core/test_headers.py", "tests/unit/core/test_mime_shape.py"),
    "addresses": ("tests/unit/endpoints/smtp/test_grammar.py",),
    "senders": ("tests/unit/delivery/test_senders.py",),
    "auth": ("tests/unit/core/test_sasl.py",),
}
