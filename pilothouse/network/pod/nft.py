"""nftables as the pod network uses it, by the program: what is asked for now and then, whose answers are listings."""

import subprocess
from collections.abc import Sequence

_TIMEOUT_S = 20


class NetworkFailure(Exception):
    """The machine refuses what the pod network needs. The text says what and, where known, the way out."""


def apply(commands: str) -> None:
    """One transaction. Raises NetworkFailure with nft's own words."""
    run(["-f", "-"], commands)


def takes(commands: str) -> bool:
    """Would `apply` succeed?"""
    try:
        run(["--check", "-f", "-"], commands)
    except NetworkFailure:
        return False
    return True


def run(arguments: Sequence[str], commands: str = "") -> str:
    """Raises NetworkFailure."""
    try:
        done = subprocess.run(["nft", *arguments], input=commands, text=True, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise NetworkFailure("the program nft is not installed (Debian package nftables)") from error
    except subprocess.TimeoutExpired as error:
        raise NetworkFailure(f"nft has not answered within {_TIMEOUT_S} s: this machine is slow or busy") from error
    except OSError as error:
        raise NetworkFailure(f"nft: {error}") from error
    if done.returncode:
        raise NetworkFailure(f"nft: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
