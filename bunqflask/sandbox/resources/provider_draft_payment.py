"""`payment-service-provider-draft-payment`: a payment that a PSD2 party prepares for somebody's account.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
