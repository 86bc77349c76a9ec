"""How checks fail."""

import asyncio
import os


class CheckFailed(Exception):
    """The check did not succeed; the message is what a user sees in the event."""


class CheckErrored(CheckFailed):
    """The check could not be carried out, which says nothing about the container: a probe tries again at once, a few times."""


class NoTls(CheckFailed):
    """The peer of an HTTPS request does not speak TLS."""


def reason(error: Exception) -> str:
    """As the kernel words it; asyncio words a refused connection its own way."""
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower() if error.errno > 0 else str(error.strerror or error)
    return str(error) or type(error).__name__
