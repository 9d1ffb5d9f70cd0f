"""python -m tests.browser.screenshots [part of a name ...]: pages in every language, theme and width, as pictures.

They lie in build/screenshots/LANGUAGE/NAME-WIDTH-THEME.png, of all pages or of those whose names hold a part.
"""

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright

from pillarbox.emulator import Certificates, SigningKey
from tests.browser.furnish import open_furnished
from tests.browser.looks import each_look
from tests.browser.pages import VIEWS, View
from tests.browser.site import LOCALES, Site, launched
from tests.journeys.stage import open_office
from tests.openapi.recorder import Recorder

FOLDER: Final = Path("build/screenshots")


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots")
    parser.add_argument("parts", nargs="*", help="of the names of pages; all without any")
    parser.add_argument("--language", choices=LOCALES, action="append", help="all without any")
    options = parser.parse_args()
    views = [view for view in VIEWS if not options.parts or any(part in view.name for part in options.parts)]
    asyncio.run(_draw(views, options.language or list(LOCALES)))


async def _draw(views: list[View], languages: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="shots-") as name:
        microsoft, folder = Path(name) / "microsoft", Path(name) / "site"
        microsoft.mkdir()
        folder.mkdir()
        async with (
            async_playwright() as playwright,
            launched(playwright) as browser,
            open_office(microsoft, Certificates.make(), SigningKey(), Recorder()) as office,
            open_furnished(office, browser, folder) as site,
        ):
            for language in languages:
                shutil.rmtree(FOLDER / language, ignore_errors=True)
                for view in views:
                    await _draw_one(site, view, language)


async def _draw_one(site: Site, view: View, language: str) -> None:
    async with site.visitor(view.who, language) as page:
        await view.open(page, site)
        async for look in each_look(page):
            file = FOLDER / language / f"{view.name}-{look}.png"
            await page.screenshot(path=file, full_page=True)
    print(FOLDER / language / f"{view.name}-*.png", flush=True)


if __name__ == "__main__":
    main()
