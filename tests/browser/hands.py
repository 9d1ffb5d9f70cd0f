"""How somebody uses a page: by the mouse, or by the keyboard alone. They find things by what stands on them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Locator, Page, expect

_MOST_STOPS: Final = 150
_FOCUS: Final = """
(element) => {
  const style = getComputedStyle(element);
  return element.matches("body, iframe") || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0);
}
"""


class Mouse:
    """Points and clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def fill(self, label: str, text: str) -> None:
        """Fill a field in."""
        await self.page.get_by_label(label, exact=True).fill(text)

    async def press(self, name: str) -> None:
        """Press a button, or follow a link."""
        await self._pressable(name).click()

    async def is_at(self, title: str) -> None:
        """Wait for the page with this title."""
        await expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()

    def _pressable(self, name: str) -> Locator:
        either = self.page.get_by_role("button", name=name, exact=True)
        return self.page.locator("main").locator(either.or_(self.page.get_by_role("link", name=name, exact=True)))


class Keyboard(Mouse):
    """Goes by Tab and presses Enter; each place where the focus stops must be seen."""

    async def fill(self, label: str, text: str) -> None:
        """See Mouse."""
        await self._reach(self.page.get_by_label(label, exact=True))
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(text)

    async def press(self, name: str) -> None:
        """See Mouse."""
        await self._reach(self._pressable(name))
        await self.page.keyboard.press("Enter")

    async def _reach(self, wanted: Locator) -> None:
        await expect(wanted).to_be_visible()
        for _ in range(_MOST_STOPS):
            focus = self.page.locator(":focus")
            if await focus.count():
                assert await focus.evaluate(_FOCUS), f"nobody sees the focus at {await focus.inner_html()}"
            if await wanted.evaluate("(element) => element === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {wanted}")


@asynccontextmanager
async def stays(page: Page) -> AsyncIterator[None]:
    """Whatever changes in the page meanwhile, it must not have been loaded anew."""
    await page.evaluate("window.stays = true")
    yield
    assert await page.evaluate("window.stays === true"), "the page was loaded anew"
