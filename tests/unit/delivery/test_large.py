"""What a large message says in JSON: whom it goes to."""

from pillarbox.delivery.large import in_json
from pillarbox.mime.conversion import Words

TO, CC, STRANGER = ("Alice", "alice@contoso.example"), ("", "Bob@contoso.example"), ("", "eve@fabrikam.example")
WORDS = Words(
    is_html=False,
    subject="scan",
    sender=None,
    from_=("", "scanner@contoso.example"),
    reply_to=(),
    to=(TO, STRANGER, TO),
    cc=(CC, TO),
    message_id="<1@x>",
    in_reply_to="",
    references="",
    importance="",
    own=(),
    lost=(),
)


def test_it_goes_to_the_recipients_of_the_envelope_once_each_and_to_nobody_else() -> None:
    made = in_json(WORDS, b"page 1", ("alice@contoso.example", "bob@contoso.example", "carol@contoso.example"))
    assert (made.to, made.cc, made.bcc) == ([TO], [CC], [("", "carol@contoso.example")])
