"""Work inside another network namespace, by a thread that ends with it.

Invariant: no thread of a pool ever enters a namespace, so nothing depends on one coming home. Source: setns(2): a namespace is a
thread's, and threads inherit it from the one that starts them.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def run_inside(namespace: int, work: Callable[[], T]) -> T:
    """namespace: descriptor of the namespace's file; stays the caller's. Raises what `work` raises; OSError when it cannot be entered."""

    def enter_and_work() -> T:
        _enter(namespace)
        return work()

    with ThreadPoolExecutor(1, "netns") as thread:
        return thread.submit(enter_and_work).result()


def run_at(path: str, work: Callable[[], T]) -> T:
    """As `run_inside`, for the namespace whose file is at the path. Raises OSError also when there is no such file."""
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return run_inside(namespace, work)
    finally:
        os.close(namespace)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"enter network namespace: {os.strerror(number)}")
