"""The tests' own tools do what the tests rely on."""

import base64
import socket

import pytest
import requests

from tests.support.browser import read_page
from tests.support.network import NetworkRefused
from tests.support.secrets import SecretsSeen


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_no_test_reaches_another_machine(host: str) -> None:
    with pytest.raises(NetworkRefused):
        socket.create_connection((host, 80), timeout=1)


def page_of(html: str) -> requests.Response:
    answer = requests.Response()
    answer.url, answer.status_code, answer._content = "http://localhost/here/", 200, html.encode()
    answer.headers["Content-Type"] = "text/html; charset=utf-8"
    answer.encoding = "utf-8"
    return answer


def test_a_browser_sends_what_a_form_holds_and_finds_it_by_button_or_address() -> None:
    page = read_page(
        page_of(
            """<title>unseen</title><h1>One</h1><p>two <b>three</b></p>
            <form method="post" action="/connections/1/connect-later"><button>Later</button></form>
            <form method="post" action="connect">
              <input type="hidden" name="csrf_token" value="t"><input type="checkbox" name="off" value="1">
              <input type="checkbox" name="on" value="1" checked><input name="gone" value="x" disabled>
              <select name="who"><option value="a">A</option><option value="b" selected>B</option></select>
              <button name="answer" value="yes">Yes,  <b>do</b></button><button name="answer" value="no">No</button>
            </form><a href="/there">a <i>link</i></a>"""
        )
    )
    form, pressed = page.form(button="yes, do")
    assert form.action == "http://localhost/here/connect"
    assert form.fields == [("csrf_token", "t"), ("on", "1"), ("who", "b")]
    assert pressed is not None
    assert (pressed.name, pressed.value) == ("answer", "yes")
    assert page.form(action="/connect")[0] is form
    assert page.link("a link") == "http://localhost/there"
    assert page.text.startswith("One two three")
    with pytest.raises(AssertionError, match="no form"):
        page.form(button="Maybe")


def test_a_secret_is_found_in_every_spelling_and_not_where_it_is_not() -> None:
    seen = SecretsSeen()
    seen.add("token", "s3cret/value+1")
    seen.add("short", "abc")
    for text in ("x s3cret/value+1 y", "s3cret%2Fvalue%2B1", base64.b64encode(b"s3cret/value+1").decode()):
        assert seen.found_in(text) == ["token"]
    assert seen.found_in("nothing of it, abc") == []
