"""What is taken for a name: enough to tell somebody by, and no word of Microsoft's own."""

import pytest

from tests.contract.microsoft.names import is_private


@pytest.mark.parametrize("name", ["O'Neill Geheim AG", "Bob's app (old)", "Zeughaus", "Ann", "mail gateway"])
def test_name_is_private(name: str) -> None:
    assert is_private(name)


@pytest.mark.parametrize("name", ["sender", "Mail", "EXCHANGE", "Bo", "anna@fabrikam.example"])
def test_common_word_is_no_name(name: str) -> None:
    assert not is_private(name)
