"""How a page looks: at each width and in both themes, and what axe says of it."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

WIDTHS: Final = (360, 768, 1280)
Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
BETWEEN: Final = (320, 1024, 1100)
"""The width that WCAG 1.4.10 asks for, and two with the menu at the side, where tables have the least room."""
AXE_LOOKS: Final = ("360-dark", "1280-light")
"""Both themes, and the narrowest and the widest: axe takes its time."""
_HEIGHT: Final = 900
_SCRIPT: Final = Path(__file__).with_name("looks.js").read_text("utf-8")
_RULES: Final = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    # What a mail says in its own frame is its sender's; the frame runs no script, axe's neither.
    "iframes": False,
}


async def each_look(page: Page, themes: Sequence[Theme] = THEMES, widths: Sequence[int] = WIDTHS) -> AsyncIterator[str]:
    """The page at each of these widths in these themes, told by name."""
    for theme in themes:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in widths:
            await page.set_viewport_size({"width": width, "height": _HEIGHT})
            yield f"{width}-{theme}"


async def faults_of(page: Page) -> list[str]:
    """What is cut off, runs out of its box or of the window, or lies on something else."""
    found: list[str] = await page.evaluate(_SCRIPT)
    return found


async def looks_well(page: Page) -> None:
    """Nothing is cut off, and axe finds nothing."""
    found = []
    async for look in each_look(page):
        found += [f"{look}: {fault}" for fault in await faults_of(page)]
        found += [f"{look}: {fault}" for fault in (await axe(page) if look in AXE_LOOKS else ())]
    async for look in each_look(page, THEMES[:1], BETWEEN):
        found += [f"{look}: {fault}" for fault in await faults_of(page)]
    assert not found, "\n".join(found)


async def axe(page: Page) -> list[str]:
    """What axe has against the page as it looks now."""
    results: dict[str, Any] = (await Axe().run(page, options=_RULES)).response
    return [
        f"{rule['id']} ({rule['help']}): {node['html'][:200]} {_why(node)}"
        for rule in results["violations"]
        for node in rule["nodes"]
    ]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
