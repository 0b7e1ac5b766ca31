"""Which routes of the app are for programs, which have a token and no login; their tests are in tests/protocol/api."""

from __future__ import annotations

_OF_PROGRAMS = ("api", "calendars", "mcp", "metrics", "spreadsheet")


def is_for_programs(endpoint: str) -> bool:
    """Tell whether a route is for programs, by the blueprint of its endpoint."""
    return endpoint.split(".")[0] in _OF_PROGRAMS
