"""How what Graph answers is printed at a terminal."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.cli.graph import laid_out, readable


def test_json_is_laid_out() -> None:
    assert readable(b'{"value":[{"id":1}]}') == '{\n  "value": [\n    {\n      "id": 1\n    }\n  ]\n}'


def test_scripts_of_all_people_stay_readable() -> None:
    assert readable('{"subject":"收據 ü"}'.encode()) == '{\n  "subject": "收據 ü"\n}'


def test_a_subject_does_not_steer_the_terminal() -> None:
    subject = "\x1b]0;x\x07\x9b2J\u202e\x7f"
    shown = readable(json.dumps({"subject": subject}, ensure_ascii=False).encode())
    assert json.loads(shown) == {"subject": subject}
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_a_message_does_not_steer_the_terminal() -> None:
    assert readable(b"Subject: \x1b[2Jx\r\n\r\n\thi\n") == "Subject: ?[2Jx\n\n        hi"


def test_what_is_no_text_is_not_shown() -> None:
    assert readable(b"\xff\xd8\xff") == "(3 bytes that are no text: send them to a file)"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_what_is_laid_out_is_the_same_value(value: object) -> None:
    assert json.loads(laid_out(value, pretty=True)) == json.loads(laid_out(value, pretty=False)) == value
