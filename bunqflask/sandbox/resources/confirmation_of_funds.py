"""`confirmation-of-funds`: whether an account holds enough, yes or no.

https://doc.bunq.com/psd2/connect-as-a-cbpii
"""

from __future__ import annotations

from ..api import Resource

resource = Resource()
