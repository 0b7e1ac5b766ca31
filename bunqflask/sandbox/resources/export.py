"""`export-annual-overview` and `export-rib`.

https://doc.bunq.com/api-reference/export-annual-overview
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
