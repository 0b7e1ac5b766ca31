"""The yardstick: a Flask view that does nothing but return given bytes."""

import os
from pathlib import Path

from flask import Flask, Response

_BODY = Path(os.environ["BENCH_BODY"]).read_bytes()

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def bare() -> Response:
    """Return the bytes."""
    return Response(_BODY, status=int(os.environ["BENCH_STATUS"]), content_type="text/html; charset=utf-8")


@app.get("/readyz")
def readyz() -> str:
    """Say that the worker is up."""
    return "ready"
