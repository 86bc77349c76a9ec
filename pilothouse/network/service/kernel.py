"""The service proxy's edge to nftables. Everything here blocks: call it in one thread, always the same.

A transaction costs 0.3 ms through libnftables in this process and 16 ms through a new nft process, so the library is used
where it is installed. Source: libnftables(3).
"""

import ctypes
import subprocess
from typing import Protocol

from pilothouse.network.service.config import ServiceProxyConfig

LIBRARY = "libnftables.so.1"
_DEADLINE_S = 30


class NftFailure(Exception):
    """The transaction did not happen, not even in part. The text is nft's own."""


class Nft(Protocol):
    def run(self, commands: str) -> None:
        """All or nothing. Raises NftFailure."""
        ...

    def check(self, commands: str) -> None:
        """Would `run` succeed? Raises NftFailure if not."""
        ...


class LibraryNft:
    """Raises OSError when the library is not installed."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
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
        self._library = library
        self._context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_buffer_output(self._context)

    def run(self, commands: str) -> None:
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        # Both buffers are emptied by being read.
        self._library.nft_ctx_get_output_buffer(self._context)
        words = self._library.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise NftFailure(_words(words.decode(errors="replace")))

    def check(self, commands: str) -> None:
        self._library.nft_ctx_set_dry_run(self._context, True)
        try:
            self.run(commands)
        finally:
            self._library.nft_ctx_set_dry_run(self._context, False)


class ProcessNft:
    """A process a transaction, for machines without the library."""

    def run(self, commands: str) -> None:
        self._execute(["nft", "-f", "-"], commands)

    def check(self, commands: str) -> None:
        self._execute(["nft", "--check", "-f", "-"], commands)

    def _execute(self, command: list[str], commands: str) -> None:
        try:
            done = subprocess.run(command, input=commands, text=True, capture_output=True, timeout=_DEADLINE_S, check=False)
        except FileNotFoundError as error:
            raise NftFailure("the program nft is not installed (Debian package nftables)") from error
        except subprocess.TimeoutExpired as error:
            raise NftFailure(f"nft has not answered within {_DEADLINE_S} s") from error
        if done.returncode:
            raise NftFailure(_words(done.stderr) or f"exit status {done.returncode}")


def _words(text: str) -> str:
    """The first complaint; nft repeats a long transaction for each."""
    lines = text.strip().splitlines()
    return " ".join(line.strip() for line in lines[:2])[:500]


def open_nft() -> Nft:
    try:
        return LibraryNft()
    except OSError:
        return ProcessNft()


def teardown(config: ServiceProxyConfig) -> None:
    """Take the table away, if there is one."""
    open_nft().run(f"add table ip {config.table}\ndelete table ip {config.table}\n")


PROBES = (
    ("add table ip {0}", "nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4), or root's rights"),
    ("add chain ip {0} nat {{ type nat hook prerouting priority -100; }}", "address translation (CONFIG_NFT_NAT)"),
    (
        "add rule ip {0} nat meta l4proto tcp dnat to numgen random mod 2 map {{ 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }}",
        "numgen (CONFIG_NFT_NUMGEN)",
    ),
    ("add chain ip {0} out {{ type nat hook postrouting priority 100; }}\nadd rule ip {0} out masquerade", "masquerade (CONFIG_NFT_MASQ)"),
    ("add chain ip {0} refuse\nadd rule ip {0} refuse meta l4proto tcp reject with tcp reset", "reject (CONFIG_NFT_REJECT)"),
)


def missing(nft: Nft, table: str) -> str:
    """What the kernel lacks for a service proxy, in one sentence; "" when nothing."""
    commands = ""
    for probe, what in PROBES:
        commands += probe.format(table) + "\n"
        try:
            nft.check(commands)
        except NftFailure as failure:
            return f"services need {what}, which this kernel does not offer: {failure}"
    return ""
