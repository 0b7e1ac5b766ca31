"""Robin's assistant; Robin has connected Jodi and has imported her payments."""

import pytest

from tests.protocol.api.conftest import robin
from tests.protocol.mcp.assistant import Assistant, assistant_of
from tests.support.apps import ThreadSite
from tests.support.browser import Browser
from tests.support.consents import ROBIN

__all__ = ["robin"]


@pytest.fixture
def assistant(site: ThreadSite, robin: Browser) -> Assistant:
    """An assistant with a token of Robin's that may read everything."""
    return assistant_of(site, ROBIN)
