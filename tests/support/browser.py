"""A person's browser without JavaScript: follows redirects, keeps cookies, submits the forms it sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

TIMEOUT_S = 30
MOST_REDIRECTS = 10


@dataclass
class Button:
    """A button that submits, found by what it says."""

    text: str
    name: str | None
    value: str
    action: str | None


@dataclass
class Form:
    """A form as its page holds it, with the values it would send; `boxes` are all it has to tick, ticked or not."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)


@dataclass
class Page:
    """What a browser got, and what a person can do there."""

    url: str
    status: int
    headers: Mapping[str, str]
    html: str
    leaves_for: str | None = None
    """The address on another site to which this answer sends the browser, which has stopped before it."""

    @cached_property
    def _read(self) -> "_Reader":
        reader = _Reader(self.url)
        if self.headers.get("Content-Type", "").startswith("text/html"):
            reader.feed(self.html)
            reader.close()
        return reader

    @property
    def text(self) -> str:
        """The words that a person sees."""
        return " ".join("".join(self._read.words).split())

    @property
    def forms(self) -> list[Form]:
        """The forms, in order."""
        return self._read.forms

    @property
    def links(self) -> list[tuple[str, str]]:
        """What each link says, and where it leads."""
        return self._read.links

    def form(self, *, button: str | None = None, action: str | None = None) -> tuple[Form, Button | None]:
        """Find the form with that button (its text or a part of it) or that action (the end of its path)."""
        for form in self.forms:
            if action is not None and not urlsplit(form.action).path.endswith(action):
                continue
            if button is None:
                return form, form.buttons[0] if form.buttons else None
            for each in form.buttons:
                if button.lower() in each.text.lower():
                    return form, each
        seen = [(form.action, [each.text for each in form.buttons]) for form in self.forms]
        raise AssertionError(f"no form with {button=} {action=} on {self.url} ({self.status}); there are: {seen}")

    def link(self, text: str) -> str:
        """Return the address of the link that says `text`, or contains it."""
        for words, address in self.links:
            if text.lower() in words.lower():
                return address
        raise AssertionError(f"no link {text!r} on {self.url} ({self.status}); there are: {self.links}")


class Browser:
    """One browser with its own cookies, at home on one site."""

    def __init__(self, home: str, *, user_agent: str = "Mozilla/5.0 (test; no JavaScript)") -> None:
        self.home = home.rstrip("/")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["User-Agent"] = user_agent
        self.page = Page(url=self.home, status=0, headers={}, html="")

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Page:
        """Open an address: a path of this site or a whole URL."""
        return self._go("GET", self._absolute(address), {}, headers or {})

    def submit(self, *, button: str | None = None, action: str | None = None, **fields: str | list[str]) -> Page:
        """Fill in and send a form of the page at hand; hidden fields go along as they stand."""
        form, pressed = self.page.form(button=button, action=action)
        data = [(name, value) for name, value in form.fields if name not in fields]
        for name, value in fields.items():
            data += [(name, each) for each in ([value] if isinstance(value, str) else value)]
        if pressed is not None and pressed.name and pressed.name not in fields:
            data.append((pressed.name, pressed.value))
        target = (pressed.action if pressed else None) or form.action
        if form.method == "get":
            return self._go("GET", target, dict(data), {})
        return self._go("POST", target, data, {"Origin": _origin(self.page.url), "Referer": self.page.url})

    def upload(self, action: str, field: str, name: str, content: bytes, **fields: str) -> Page:
        """Choose a file in a form of the page at hand, and send it."""
        form, _pressed = self.page.form(action=action)
        data = [(key, value) for key, value in form.fields if key not in {field, *fields}] + [*fields.items()]
        headers = {"Origin": _origin(self.page.url), "Referer": self.page.url}
        return self._go("POST", form.action, data, headers, {field: (name, content)})

    def post(
        self, address: str, data: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Page:
        """Send a POST that no form of the page at hand offers, without its CSRF token."""
        return self._go("POST", self._absolute(address), list((data or {}).items()), headers or {})

    def close(self) -> None:
        """Let go of the connections."""
        self.session.close()

    def _absolute(self, address: str) -> str:
        return self.home + address if address.startswith("/") else address

    def _go(
        self,
        method: str,
        url: str,
        data: Mapping[str, str] | list[tuple[str, str]],
        headers: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> Page:
        for _ in range(MOST_REDIRECTS):
            answer = self.session.request(
                method,
                url,
                params=data if method == "GET" else None,
                data=data if method == "POST" else None,
                headers=dict(headers),
                files=files,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
            target = urljoin(url, answer.headers["Location"]) if answer.is_redirect else None
            if target is None or _origin(target) != _origin(url):
                self.page = read_page(answer)
                self.page.leaves_for = target
                return self.page
            method, url, data, headers, files = "GET", target, {}, {}, None
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects, the last to {url}")


def read_page(answer: requests.Response) -> Page:
    """Take an answer as a person's browser does."""
    return Page(url=answer.url, status=answer.status_code, headers=answer.headers, html=answer.text)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _Reader(HTMLParser):
    """Collects forms, links and visible words."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.words: list[str] = []
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self._form: Form | None = None
        self._button: Button | None = None
        self._button_words: list[str] = []
        self._link: str | None = None
        self._link_words: list[str] = []
        self._hidden = 0
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._url, given.get("action") or self._url)
            self._form = Form(action=action, method=given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "a" and "href" in given:
            self._link, self._link_words = urljoin(self._url, given["href"]), []
        elif tag in ("style", "script", "template", "title"):
            self._hidden += 1
        elif tag == "button" or (tag == "input" and given.get("type") in ("submit", "image")):
            self._start_button(tag, given)
        elif tag == "input":
            self._read_input(given)
        elif tag == "select":
            self._select = given.get("name")
        elif tag == "option" and self._select and "selected" in given:
            self._add_field(self._select, given.get("value", ""))
        elif tag == "textarea":
            self._textarea = given.get("name")
        if tag in (
            "p",
            "div",
            "li",
            "td",
            "th",
            "tr",
            "dt",
            "dd",
            "h1",
            "h2",
            "h3",
            "br",
            "section",
            "label",
        ):
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "a" and self._link is not None:
            self.links.append((" ".join("".join(self._link_words).split()), self._link))
            self._link = None
        elif tag in ("style", "script", "template", "title"):
            self._hidden = max(0, self._hidden - 1)
        elif tag == "button" and self._button is not None:
            self._button.text = self._button.text or " ".join("".join(self._button_words).split())
            self._button = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.words.append(data)
        if self._button is not None:
            self._button_words.append(data)
        if self._link is not None:
            self._link_words.append(data)
        if self._textarea is not None:
            self._add_field(self._textarea, data)

    def _start_button(self, tag: str, given: dict[str, str]) -> None:
        if given.get("type", "submit") == "button" or self._form is None:
            return
        action = urljoin(self._url, given["formaction"]) if given.get("formaction") else None
        label = given.get("aria-label", "") or (given.get("value", "") if tag == "input" else "")
        button = Button(text=label, name=given.get("name"), value=given.get("value", ""), action=action)
        self._form.buttons.append(button)
        if tag == "button":
            self._button, self._button_words = button, []

    def _read_input(self, given: dict[str, str]) -> None:
        if "name" not in given or "disabled" in given:
            return
        if given.get("type") in ("checkbox", "radio"):
            if self._form is not None:
                self._form.boxes.append((given["name"], given.get("value", "on")))
            if "checked" in given:
                self._add_field(given["name"], given.get("value", "on"))
        else:
            self._add_field(given["name"], given.get("value", ""))

    def _add_field(self, name: str, value: str) -> None:
        if self._form is not None:
            self._form.fields.append((name, value))
