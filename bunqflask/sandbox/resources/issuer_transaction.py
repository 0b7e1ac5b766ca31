"""`payment-service-provider-issuer-transaction`: a payment that the payer confirms in a portal.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
