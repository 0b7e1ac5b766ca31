"""`flask mcp`: the tools for an assistant that starts programs on this machine and speaks with them by stdio.

https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import click
from flask import current_app
from flask.cli import with_appcontext

from bunqflask import config
from bunqflask.config import ConfigError
from bunqflask.extensions import db
from bunqflask.mcp import stdio
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.tokens import TokenUnknown


@click.command("mcp")
@with_appcontext
def mcp_command() -> None:
    """Serve an assistant on standard input and output, with the token of BUNQFLASK_TOKEN or BUNQFLASK_TOKEN_FILE."""
    try:
        token = config.assistant_token()
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if token is None:
        raise click.ClickException("Put a token into BUNQFLASK_TOKEN, or its file’s name into BUNQFLASK_TOKEN_FILE.")
    try:
        tokens.bearer_of(token, stdio.HERE)
    except TokenUnknown as error:
        raise click.ClickException("The token is mistyped, expired or ended, or not allowed here.") from error
    _serve(token, sys.stdin.buffer, sys.stdout.buffer)


def _serve(token: str, given: BinaryIO, taken: BinaryIO) -> None:
    """Answer message after message, one a line, until the input ends."""
    limit: int = current_app.config["API_CALLS_PER_MINUTE"]
    for line in given:
        answer = stdio.answer_to(line, token, limit) if line.strip() else None
        # Each message is a unit of its own, and the token may end between two.
        db.session.remove()
        if answer is not None:
            taken.write(answer + b"\n")
            taken.flush()
