"""What a template writes and calls is what Jinja would write and call, though sooner."""

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, render_template_string
from jinja2 import Environment, pass_context, pass_environment, pass_eval_context
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from markupsafe import Markup

from bunqflask.web.ui import rendering

HOSTILE = "<b>\"'&</b>"


class Html(str):
    """A text with HTML of its own, which is no `Markup`."""

    def __html__(self) -> str:
        return "<i>own</i>"


class Asking:
    """Something to call that asks for the context."""

    @pass_context
    def __call__(self, context: Context, word: str) -> str:
        return f"{context['name']} {word}"


@pass_context
def with_context(context: Context, word: str) -> str:
    return f"{context['each']} of {context['name']} {word}"


@pass_environment
def with_environment(environment: Environment, word: str) -> str:
    return f"{type(environment).__name__} {word}"


@pass_eval_context
def with_escaping(evaluated: EvalContext, word: str) -> str:
    return f"{evaluated.autoescape} {word}"


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    rendering.register(app)
    return app


def render(app: Flask, source: str, **values: Any) -> str:
    with app.test_request_context():
        return render_template_string(source, **values)


def test_templates_are_compiled_to_what_is_tested_here(app: Flask) -> None:
    assert "shown(" in app.jinja_env.compile("{{ name }}", filename="page.html", raw=True)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (HOSTILE, "&lt;b&gt;&#34;&#39;&amp;&lt;/b&gt;"),
        (Markup("<b>&amp;</b>"), "<b>&amp;</b>"),
        (Html(HOSTILE), "<i>own</i>"),
        (7, "7"),
        (None, "None"),
        ([HOSTILE[:3]], "[&#39;&lt;b&gt;&#39;]"),
        (SimpleNamespace(__html__=lambda: "<u>"), "<u>"),
    ],
)
def test_only_html_is_written_as_it_is(app: Flask, value: object, written: str) -> None:
    assert render(app, "{{ value }}", value=value) == written
    assert render(app, "{% macro show(it) %}{{ it }}{% endmacro %}{{ show(value) }}", value=value) == written
    assert render(app, "{% set it %}{{ value }}{% endset %}{{ it }}", value=value) == written
    assert render(app, "{% for it in [value] %}{{ it }}{% endfor %}", value=value) == written


def test_where_nothing_is_escaped_texts_stay(app: Flask) -> None:
    assert render(app, "{% autoescape false %}{{ value }}{% endautoescape %}", value=HOSTILE) == HOSTILE
    source = "{% autoescape is_html %}{{ value }}{% endautoescape %}"
    assert render(app, source, value=HOSTILE, is_html=False) == HOSTILE
    assert HOSTILE not in render(app, source, value=HOSTILE, is_html=True)


def test_what_is_called_gets_what_it_asks_for(app: Flask) -> None:
    given = {
        "name": "page",
        "asking": Asking(),
        "with_context": with_context,
        "with_environment": with_environment,
        "with_escaping": with_escaping,
        "plain": lambda word, *, loud=False: word.upper() if loud else word,
        "kind": str.title,
    }
    calls = "{{ with_context('a') }}, {{ asking('b') }}, {{ with_environment('c') }}, {{ with_escaping('d') }}, "
    calls += "{{ plain('e') }}{{ plain('f', loud=true) }}, {{ kind('g') }}"
    found = render(app, "{% for _n in [1] %}{% set each = 'row' %}" + calls + "{% endfor %}", **given)
    assert found == "row of page a, page b, Environment c, True d, eF, G"
    in_block = render(app, "{% block it %}{% set each = 'block' %}" + calls + "{% endblock %}", **given)
    assert in_block == "block of page a, page b, Environment c, True d, eF, G"


def test_a_macro_gets_its_arguments_and_what_calls_it(app: Flask) -> None:
    source = (
        "{% macro frame(a, b='2', last='') %}{{ a }}{{ b }}{{ caller(a) }}{{ varargs }}{{ last }}{% endmacro %}"
        "{% for n in [1] %}{% call(it) frame(n, '<', last='!') %}({{ it }}{{ n }}){% endcall %}{% endfor %}"
    )
    assert render(app, source) == "1&lt;(11)()!"
