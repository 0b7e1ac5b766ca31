"""How tests are shared out among the processes of one run."""

from xdist.scheduler import LoadScopeScheduling


class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # the package has no types
    """Sends each test to whoever is free, but a story of several tests to one process.

    That is what a foreign client does once, and the long run.

    pytest-xdist's own `loadgroup` is for that, but does not see its marks with this version of pytest.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        if file.endswith("/test_long_run.py"):
            return file
        if "/foreign/" not in file:
            return nodeid
        return f"{file}::{'javascript' if 'javascript' in name else 'sdk'}"
