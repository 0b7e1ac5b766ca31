"""`insights`, `insights-search` and categories.

https://doc.bunq.com/api-reference/insights
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
