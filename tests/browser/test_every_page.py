"""Each page, once per language, theme and width: nothing is cut off, axe finds nothing, and it is small."""

import re
from typing import Any, Final, cast

import pytest

from pillarbox.endpoints.console import pages as console_pages
from pillarbox.endpoints.console.app import Console
from tests.browser.looks import THEMES, each_look, faults_of, looks_well
from tests.browser.pages import NOT_SEEN, VIEWS, View
from tests.browser.site import LOCALES, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
each_page = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)

MOST_BYTES: Final = 100_000
MOST_REQUESTS: Final = 10
_PART: Final = re.compile(r"\{\w+\}")
_LOADED: Final = """
() => {
  const [page] = performance.getEntriesByType("navigation");
  const parts = performance.getEntriesByType("resource").filter((one) => one.startTime < page.loadEventEnd);
  return Object.fromEntries([page, ...parts].map((one) => [one.name, one.decodedBodySize]));
}
"""
"""How many bytes each answer had that the page needed until it was there, also of those that the browser kept."""


class _Paths:
    """Takes the pages as a console does, and keeps their paths."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {"get": [], "post": []}

    def get(self, path: str, **_options: Any) -> Any:
        self.found["get"].append(path)
        return lambda handler: handler

    def post(self, path: str, **_options: Any) -> Any:
        self.found["post"].append(path)
        return lambda handler: handler


def paths_of(method: str) -> list[str]:
    """The paths of the console that take this method: "get" or "post"."""
    paths = _Paths()
    for subject in console_pages.ALL:
        # It is all of a console that they want.
        subject.add(cast(Console, paths))
    return paths.found[method]


async def test_every_page_of_the_console_is_looked_at() -> None:
    seen = [view.path.partition("?")[0] for view in VIEWS]

    def is_seen(path: str) -> bool:
        pattern = re.compile("[^/]+".join(map(re.escape, _PART.split(path))))
        # A path without a variable part is shown by itself, never by its neighbour.
        return any(one == path or ("{" in path and pattern.fullmatch(one)) for one in seen)

    assert [path for path in paths_of("get") if path not in NOT_SEEN and not is_seen(path)] == []


@each_page
async def test_nothing_is_cut_off_and_axe_finds_nothing(site: Site, view: View) -> None:
    async with site.onlooker(view.who) as page:
        await view.open(page, site)
        await looks_well(page)


@each_page
@pytest.mark.parametrize("language", [tag for tag in LOCALES if tag != "en"])
async def test_nothing_is_cut_off_in_any_language(site: Site, view: View, language: str) -> None:
    found = []
    async with site.onlooker(view.who, language) as page:
        await view.open(page, site)
        assert await page.get_attribute("html", "lang") == language
        async for look in each_look(page, THEMES[:1]):
            found += [f"{look}: {fault}" for fault in await faults_of(page)]
    assert not found, "\n".join(found)


@each_page
async def test_a_page_is_small_and_asks_little(site: Site, view: View) -> None:
    async with site.onlooker(view.who) as page:
        await view.open(page, site)
        sizes: dict[str, int] = await page.evaluate(_LOADED)
        # What tells of news never ends.
        asked = len(sizes) + await page.locator("[data-live-from]").count()
    assert sizes[page.url.partition("#")[0]] > 0
    assert asked <= MOST_REQUESTS, sizes
    assert sum(size for url, size in sizes.items() if not url.endswith((".svg", ".png"))) < MOST_BYTES, sizes
