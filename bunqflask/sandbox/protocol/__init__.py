"""bunq's protocol: routing, dispatch, signatures, the token endpoint and fault injection."""
