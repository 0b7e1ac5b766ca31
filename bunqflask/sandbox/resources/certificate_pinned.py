"""`certificate-pinned`: the certificates a user expects at the targets of webhooks.

https://doc.bunq.com/api-reference/certificate-pinned
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
