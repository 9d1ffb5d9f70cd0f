"""What counts as signed or encrypted."""

import pytest

from pillarbox.core.sealed_mime import is_sealed, is_sealed_message


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"multipart/signed; boundary=x", True),
        (b" Multipart/Encrypted ", True),
        (b"(signed) multipart/signed; boundary=x", True),
        (b"(a (comment) in \\) it)\r\n multipart/signed (more); boundary=x", True),
        (b"application/x-pkcs7-mime", True),
        (b"multipart/mixed; boundary=x", False),
        (b"text/plain; x=multipart/signed", False),
        (b"(multipart/signed) text/plain", False),
        (b"application/octet-stream; name=smime.p7m", False),
        (b"", False),
    ],
)
def test_a_part_is_sealed_by_its_type_whatever_comment_stands_before_it(content_type: bytes, *, expected: bool) -> None:
    assert is_sealed(content_type) is expected


@pytest.mark.parametrize(
    ("content_type", "disposition", "expected"),
    [
        (b"application/octet-stream; name=smime.p7m", b"", True),
        (b'application/octet-stream; NAME="smime.P7S"; x=y', b"", True),
        (b"", b'attachment; filename="smime.p7c"', True),
        (b"application/pdf", b"attachment; filename*=UTF-8''smime.p7m", True),
        (b"application/pdf", b"attachment; filename*0*=UTF-8''smime.p7m;size=7", True),
        (b'application/octet-stream; name="=?utf-8?Q?smime=2Ep7m?="', b"", True),
        (b'application/octet-stream; name="=?utf-8?B?c21pbWUucDdt?="', b"", True),
        (b'application/octet-stream; name="=?utf-8?B?c?="', b"", False),
        (b"application/pdf", b"attachment; filename*=utf-8''smime%2Ep7m", True),
        (b"application/pdf; name=a.p7m.pdf", b"attachment; filename=p7m", False),
        (b"application/pdf; (name=a.p7m) name=a.pdf", b"", False),
    ],
)
def test_a_message_is_sealed_by_its_name_too(content_type: bytes, disposition: bytes, *, expected: bool) -> None:
    assert is_sealed_message(content_type, disposition) is expected
