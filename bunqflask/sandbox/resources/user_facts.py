"""`limit`, `legal-name`, `tree-progress`, `billing-contract-subscription`: small facts about a user.

https://doc.bunq.com/api-reference/limit
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
