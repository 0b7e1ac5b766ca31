"""`health-check` and `server-error`.

https://doc.bunq.com/api-reference/health-check
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
