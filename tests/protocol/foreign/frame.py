"""What all stories in Python share: their steps. Runs in the environment of a foreign client, never in ours."""

# mypy: ignore-errors
# ruff: noqa: BLE001 - a step that fails must not end the story
from __future__ import annotations

import json
import traceback

STEPS = []


def step(function):
    """Add a step to the story, in the order of the file."""
    STEPS.append(function)
    return function


def run_steps():
    """Go through all steps, also after one that failed; print one JSON line per step."""
    for each in STEPS:
        try:
            each()
        except BaseException:
            print(json.dumps({"step": each.__name__, "error": traceback.format_exc()[-3000:]}), flush=True)
        else:
            print(json.dumps({"step": each.__name__, "error": None}), flush=True)
