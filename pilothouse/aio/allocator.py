"""The C library's allocator: what was freed after a flood goes back to the system instead of staying with the process.

Left alone, glibc raises the size from which it maps memory apart as soon as large blocks are freed, keeps freed memory that lies below a
block still in use, and opens an arena a thread. Nothing of this exists with another C library; then nothing is done.
"""

import asyncio
import ctypes
import os
from pathlib import Path
from typing import ClassVar, NoReturn

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_APART_FROM_BYTES = 256 << 10
_ARENAS = 2
_GROWN_BYTES = 16 << 20
"""More than after the last time: less is not worth walking through the heap."""
_PERIOD_S = 20.0


def restrain() -> None:
    """Early in a process, before it has threads."""
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _APART_FROM_BYTES)
        mallopt(_ARENA_MAX, _ARENAS)


async def give_back(period_s: float = _PERIOD_S) -> NoReturn:
    """Look at the process's memory again and again, and give back what is free in it when it has grown, or when more of it is free."""
    floor_bytes, free_floor_bytes = resident_bytes(), free_bytes()
    while True:
        await asyncio.sleep(period_s)
        if resident_bytes() > floor_bytes + _GROWN_BYTES or free_bytes() > free_floor_bytes + _GROWN_BYTES:
            await asyncio.to_thread(trim)
            # What was given back still counts as free: it is addresses without memory.
            floor_bytes, free_floor_bytes = resident_bytes(), free_bytes()
        floor_bytes, free_floor_bytes = min(floor_bytes, resident_bytes()), min(free_floor_bytes, free_bytes())


def trim() -> None:
    """Blocks; other threads go on until they allocate."""
    malloc_trim = getattr(_libc(), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


class _MallocInfo(ctypes.Structure):
    """Source: mallinfo(3)."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def free_bytes() -> int:
    """Freed by the process and kept by the allocator, given back to the system or not; 0 where the C library does not say it."""
    mallinfo2 = getattr(_libc(), "mallinfo2", None)
    if mallinfo2 is None:
        return 0
    mallinfo2.restype = _MallocInfo
    return int(mallinfo2().fordblks)


def resident_bytes() -> int:
    """Of this process; 0 where the kernel does not say it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
