"""What is shipped: Pillarbox first, then what it needs, and of that too."""

from importlib import metadata

from pillarbox.core.shipped import packages


def test_pillarbox_comes_first_and_all_that_it_needs_follows_by_name() -> None:
    names = [one.name.lower() for one in packages()]
    assert names[0] == "pillarbox"
    assert names[1:] == sorted(names[1:])
    assert {"starlette", "cffi", "cryptography"} <= set(names)  # cffi: what cryptography needs
    assert "pytest" not in names


def test_each_is_told_once_with_the_version_that_runs() -> None:
    told = {one.name: one.version for one in packages()}
    assert len(told) == len(packages())
    assert told["fastapi"] == metadata.version("fastapi")


def test_nearly_all_say_their_licence_in_a_few_words() -> None:
    assert sum(not one.licence for one in packages()) <= 2
    assert all(len(one.licence) <= 80 for one in packages())
