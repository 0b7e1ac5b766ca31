"""How templates run: as Jinja runs them, without what it does again for each of the thousand values of a page.

https://jinja.palletsprojects.com/en/stable/api/#jinja2.Environment.code_generator_class
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from flask import Flask
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, Macro
from jinja2.utils import internalcode
from markupsafe import Markup, escape


def shown(value: Any) -> Markup:
    """Return a value as HTML: what is HTML already as it is, anything else escaped."""
    # Most values are HTML: icons, amounts, texts, what macros made. `escape` makes each of them anew.
    return value if type(value) is Markup else escape(value)


class Calls(Context):
    """Calls a function that asks for nothing of Jinja's, or a macro, without looking for what else it could be."""

    @internalcode
    def call(__self, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls."""
        kind = type(__obj)
        if kind is Macro:
            args = (__self.eval_ctx, *args)
        elif kind is not FunctionType or hasattr(__obj, "jinja_pass_arg"):
            return super().call(__obj, *args, **kwargs)
        # Of the loop and the block around a call: for functions that ask for the context.
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        return __obj(*args, **kwargs)


class Compiler(CodeGenerator):
    """Writes `shown` where Jinja writes `escape`."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        """Compile a whole template."""
        self.writeline(f"from {__name__} import {shown.__name__}")
        super().visit_Template(node, frame)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write(f"{shown.__name__}(")


def register(app: Flask) -> None:
    """Let the app's templates run so."""
    app.jinja_env.context_class = Calls
    app.jinja_env.code_generator_class = Compiler
