"""How a page looks: at each width and in both themes, and what axe says of it."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

WIDTHS: Final = (360, 768, 1280)
Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
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


async def each_look(page: Page, themes: Sequence[Theme] = THEMES) -> AsyncIterator[str]:
    """The page at every width in these themes, told by name."""
    for theme in themes:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": _HEIGHT})
            yield f"{width}-{theme}"


async def faults_of(page: Page) -> list[str]:
    """What is cut off, runs out of its box or of the window, or lies on something else."""
    found: list[str] = await page.evaluate(_SCRIPT)
    return found


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
