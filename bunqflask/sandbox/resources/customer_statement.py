"""`customer-statement` and the statement of one event.

https://doc.bunq.com/api-reference/customer-statement
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
