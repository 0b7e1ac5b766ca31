"""Whether a page can be used by everybody: axe in two themes and widths, targets, no sideways scroll, large text."""

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"runOnly": RULES, "resultTypes": ["violations"]}
# Colours are all that a theme changes, and they do not change with the width.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# Each width with the least height of what is pressed there; a narrow screen is touched.
WIDTHS = {1280: 40, 375: 44}
WIDEST = 1280
NARROWEST = 320
# What a browser's settings call its font size, in px: the usual one, and twice that.
TEXT, LARGE_TEXT = 16, 32
HEIGHT = 900
# Where pictures of all pages are left for a person to look at, if anywhere.
FOLDER = os.environ.get("PICTURES_OF_PAGES", "")

RUN = """(options) => axe.run(document, options).then(({violations}) => violations.flatMap(
  ({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`)))"""

SIDEWAYS = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("main *, header *, section *")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.right > wide + 1 && box.height > 0 && !each.closest(".sim");
  }).map((each) => `too wide: ${each.outerHTML.slice(0, 120)}`).slice(0, 5);
}"""

SMALL = """(least) => [...document.querySelectorAll("button, .btn, summary, select, input, .seg, .nav a")].filter(
  (each) => each.checkVisibility() && !each.closest(".vh") && !each.matches(".vh, [type=radio], [type=checkbox]")
    && each.getBoundingClientRect().height < least
).map((each) => `less than ${least} px high: ${each.outerHTML.slice(0, 120)}`)"""


def look_with_pictures(page: Page, name: str) -> list[str]:
    """Return what is wrong with the page with all of its folds open, and leave pictures where that is asked for."""
    page.wait_for_load_state()
    page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")
    found = look(page, name)
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        size = page.viewport_size
        for width, theme in ((1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            page.screenshot(path=Path(FOLDER) / f"{name}-{width}-{theme}.png", full_page=True)
        page.set_viewport_size(size or {"width": WIDEST, "height": HEIGHT})
    return found


def look(page: Page, name: str) -> list[str]:
    """Return what is wrong with the page as it stands, each finding after the name given here."""
    size = page.viewport_size
    assert size is not None
    page.wait_for_load_state()  # before that it may have no style sheet yet
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(Axe().axe_script)
    findings: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        findings += [f"{name}, {width} px, dark: {each}" for each in _run(page, EVERYTHING, "dark")]
        if width == WIDEST:
            findings += [f"{name}, {width} px, light: {each}" for each in _run(page, COLOURS, "light")]
        findings += [f"{name}, {width} px: {each}" for each in page.evaluate(SMALL, WIDTHS[width])]
    page.emulate_media(color_scheme=None, reduced_motion=None)
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
    findings += [f"{name}, {NARROWEST} px: {each}" for each in page.evaluate(SIDEWAYS)]
    page.set_viewport_size({"width": WIDEST, "height": HEIGHT})
    _set_text(page, LARGE_TEXT)
    findings += [f"{name}, {WIDEST} px with large text: {each}" for each in page.evaluate(SIDEWAYS)]
    _set_text(page, TEXT)
    page.set_viewport_size(size)
    return findings


def _set_text(page: Page, size: int) -> None:
    """Change the browser's font size, as a person does in its settings."""
    settings = page.context.new_cdp_session(page)
    settings.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
    settings.detach()
    # It takes the page a moment, and its widths in em another one.
    page.wait_for_function(
        """(size) => parseFloat(getComputedStyle(document.documentElement).fontSize) === size
          && matchMedia(`(max-width:${innerWidth / size}em)`).matches
          && !matchMedia(`(max-width:${innerWidth / size - 1}em)`).matches""",
        arg=size,
    )


def _run(page: Page, options: dict[str, Any], scheme: Any) -> list[str]:
    # Without motion the colours are there at once, not on their way.
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found: list[str] = page.evaluate(RUN, options)
    if any(each.startswith("target-size") for each in found):
        # What the bar at the bottom of a phone covers in part is whole once a person scrolls.
        page.evaluate("scrollBy(0, 64)")
        again: list[str] = page.evaluate(RUN, options)
        page.evaluate("scrollTo(0, 0)")
        found = [each for each in found if not each.startswith("target-size") or each in again]
    return found
