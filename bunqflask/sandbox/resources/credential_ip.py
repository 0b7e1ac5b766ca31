"""`credential-password-ip` and its `ip`: a user's keys, and the addresses each may be used from.

https://doc.bunq.com/basics/authentication/whitelisting-ip-addresses
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
