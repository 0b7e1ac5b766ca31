"""The same path with the keyboard alone: Tab follows the page, focus is never lost, Esc closes."""

from playwright.sync_api import Page, expect

from tests.browser.journeys import button, connect, heading

MOST_TABS = 40

FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const named = at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText || at.value || at.id;
  return named.trim().replace(/\\s+/g, " ");
}"""

INSIDE = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"


def focused(page: Page) -> str | None:
    """Return what the element with the focus is called, or None when nothing has it."""
    name: str | None = page.evaluate(FOCUSED)
    return name


def tab_to(page: Page, name: str, *, key: str = "Tab") -> list[str]:
    """Press Tab until the focus is on what is called that; returns all that was passed on the way."""
    passed: list[str] = []
    while len(passed) < MOST_TABS:
        page.keyboard.press(key)
        at = focused(page)
        if at is None:
            # Behind the last of a page or dialog the browser's own controls have their turn, once.
            page.keyboard.press(key)
            at = focused(page)
        assert at is not None, f"the focus is lost after {passed}"
        passed.append(at)
        if at == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            around = page.evaluate("getComputedStyle(document.activeElement.parentElement).outlineStyle")
            assert "solid" in (outline, around), f"nothing shows that {name!r} has the focus"
            return passed
    raise AssertionError(f"{name!r} is not among {passed}")


def press(page: Page, name: str, key: str = "Enter") -> list[str]:
    """Tab to something and press it."""
    passed = tab_to(page, name)
    page.keyboard.press(key)
    return passed


def test_connecting_and_disconnecting_with_the_keyboard(robin: Page) -> None:
    assert press(robin, "Connect bunq")[:3] == ["Skip to content", "bunqflask", "Accounts"]
    expect(heading(robin, "Connect accounts")).to_be_visible()
    press(robin, "Connect your accounts")
    expect(heading(robin, "Connect bunq")).to_be_visible()
    press(robin, "Continue to bunq")
    expect(heading(robin, "You are at the simulated bank")).to_be_visible()
    press(robin, "Accept")
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    press(robin, "Go to accounts")
    expect(heading(robin, "Accounts")).to_be_visible()

    press(robin, "Sharing and settings")
    expect(robin.get_by_role("heading", name="Sharing and settings")).to_be_visible()
    press(robin, "Disconnect…")
    dialog = robin.get_by_role("dialog", name="Disconnect Jodi Walker?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    robin.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(robin.get_by_role("link", name="Disconnect…")).to_be_focused()

    robin.keyboard.press("Enter")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    robin.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(robin.get_by_role("link", name="Disconnect…")).to_be_focused()

    robin.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    tab_to(robin, "Keep them (read-only, no more updates by your permission)")
    robin.keyboard.press("ArrowDown")
    assert focused(robin) == "Give them up too (can’t be undone)"
    press(robin, "Disconnect")
    expect(robin.get_by_role("status").filter(has_text="Jodi Walker is disconnected.")).to_be_visible()
    expect(robin.get_by_text("No accounts yet.")).to_be_visible()


def test_tab_stays_inside_an_open_dialog(robin: Page) -> None:
    connect(robin)
    robin.goto("/")
    press(robin, "Sharing and settings")
    expect(robin.get_by_role("heading", name="Sharing and settings")).to_be_visible()
    press(robin, "Disconnect…")
    expect(robin.get_by_role("dialog")).to_be_visible()
    for key in ("Tab", "Shift+Tab"):
        for _ in range(6):
            robin.keyboard.press(key)
            inside = robin.evaluate(INSIDE)
            assert inside, f"{key} left the dialog for {focused(robin)!r}"


def test_skip_link_menu_and_shortcuts(robin: Page) -> None:
    connect(robin)
    robin.goto("/connections/1/accounts")
    press(robin, "Skip to content")
    expect(robin.get_by_role("main")).to_be_focused()
    robin.keyboard.press("Tab")
    assert focused(robin) == "All accounts", "the skip link does not lead to the content"

    menu_button = robin.get_by_role("button", name="Menu: theme, amounts, settings, log out")
    menu_button.focus()
    robin.keyboard.press("Enter")
    expect(button(robin, "Log out")).to_be_visible()
    assert tab_to(robin, "System")[0] == "System", "what opened does not come next"
    robin.keyboard.press("Escape")
    expect(button(robin, "Log out")).to_be_hidden()
    expect(menu_button).to_be_focused()

    robin.keyboard.press("?")
    keys = robin.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    robin.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(menu_button).to_be_focused()

    robin.keyboard.press("h")
    expect(robin.get_by_role("row").nth(1)).to_contain_text("€•••")
    assert "4,118" not in robin.content()
    robin.wait_for_load_state()  # before that nobody listens to keys
    robin.keyboard.press("h")
    expect(robin.get_by_role("row").nth(1)).to_contain_text("€4,118.00")
    robin.wait_for_load_state()
    with robin.expect_response("**/sync") as refreshed:
        robin.keyboard.press("r")
    assert refreshed.value.status == 200
    expect(robin.get_by_role("heading", level=2, name="Jodi Walker")).to_be_focused()
    robin.keyboard.press("g")
    robin.keyboard.press("a")
    expect(heading(robin, "Accounts").and_(robin.get_by_text("Accounts", exact=True))).to_be_visible()
    robin.wait_for_url("**/")

    robin.keyboard.press("?")
    robin.get_by_label("Use shortcuts in this browser").press("Space")
    robin.keyboard.press("Escape")
    robin.reload()
    robin.keyboard.press("?")
    expect(keys).to_be_hidden()
