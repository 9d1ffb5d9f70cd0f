"""The judge of looks is judged: it finds what it is for, and nothing else."""

import pytest
from playwright.async_api import Browser

from tests.browser.looks import axe, faults_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
LONG = "one_word_that_has_no_place_where_it_could_be_broken"


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<p>Short.</p>", None),
        (f"<p style='overflow-wrap:anywhere'>{LONG * 3}</p>", None),
        (f"<pre style='overflow-x:auto'>{LONG * 3}</pre>", None),
        (f"<a style='position:absolute;left:-100rem' href='#'>{LONG}</a>", None),
        (f"<details><summary>More</summary><p>{LONG * 3}</p></details>", None),
        (f"<p>{LONG * 3}</p>", "scrolls sideways"),
        ("<p style='margin-left:-2rem'>Cut off on the left</p>", "leaves the window"),
        (f"<p style='width:5rem;overflow:hidden'>{LONG}</p>", "wider than its box"),
        (f"<button style='width:5rem'>{LONG}</button>", "wider than its box"),
        ("<p style='height:1rem;overflow:hidden'>one<br>two<br>three</p>", "higher than its box"),
        ("<button>First</button><button style='margin-left:-2rem'>Second</button>", "lies on"),
        ("<label for=a>A</label><input id=a><br><label for=b>B</label><input id=b>", None),
        ("<label for=a>A</label><input id=a><br><label for=a>B</label><input id=a>", "has no label"),
    ],
)
async def test_what_is_cut_off_is_found_and_nothing_else(browser: Browser, html: str, fault: str | None) -> None:
    async with await browser.new_page(viewport={"width": 360, "height": 900}) as page:
        await page.set_content(f"<!doctype html><body style='margin:8px'>{html}")
        found = await faults_of(page)
    assert bool(found) == bool(fault), found
    assert fault is None or any(fault in one for one in found), found


async def test_axe_finds_faint_text_and_a_field_without_a_name(browser: Browser) -> None:
    async with await browser.new_page() as page:
        await page.set_content("<!doctype html><html lang=en><title>x</title><p style='color:#bbb'>Faint</p><input>")
        found = "\n".join(await axe(page))
    assert "color-contrast" in found
    assert "label" in found
