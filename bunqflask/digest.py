"""The hash under which one-time secrets are stored."""

import hashlib


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hex: enough to find it again, not to use it."""
    return hashlib.sha256(secret.encode()).hexdigest()
