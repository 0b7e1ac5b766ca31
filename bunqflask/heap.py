"""How the C library hands out memory in this process."""

import ctypes

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_ARENA_MAX = -8


def share_one() -> None:
    """Let all threads share one heap of the C library, before they are started.

    Otherwise each thread gets a heap of its own, and keeps what it once needed. Only one thread at a time runs Python,
    so there is nothing to gain from that. Does nothing where the library cannot be told.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
