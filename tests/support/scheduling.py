"""How tests are shared out among the processes of one run."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# Neighbours begin alike, with steps and apps that a process keeps for a while (`beginnings`, `pool`).
_TOGETHER = 8


class InHandfuls(LoadScopeScheduling):  # type: ignore[misc]  # the package has no types
    """Sends a few neighbours of a file to whoever is free, but a story of many tests to one process.

    That is what a foreign client does once, and the long run.

    pytest-xdist's own `loadgroup` is for that, but does not see its marks with this version of pytest.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._scopes: dict[str, str] = {}
        self._counted: dict[str, int] = {}

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of what goes to one process together with this test; asked in the order of the files."""
        if nodeid not in self._scopes:
            self._scopes[nodeid] = self._new_scope(nodeid)
        return self._scopes[nodeid]

    def _new_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        if file.endswith("/test_long_run.py"):
            return file
        if "/foreign/" in file:
            return f"{file}::{'javascript' if 'javascript' in name else 'sdk'}"
        before = self._counted[file] = self._counted.get(file, -1) + 1
        return f"{file}::{before // _TOGETHER}"
