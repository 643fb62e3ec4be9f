"""Keeps the process small where many threads come and go."""

import ctypes

M_ARENA_MAX = -8  # malloc.h of the GNU C library
ARENAS = 1


def share_heaps() -> None:
    """The C library gives each thread a heap of its own, and what is freed in one is of no use to the others.

    Elsewhere nothing happens.
    """
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (AttributeError, OSError):
        return
