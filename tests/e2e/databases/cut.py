"""Cuts a pod's network, inside of it, so that a cut goes with the pod at the latest."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

AGENT_PORT = 8443


@contextmanager
def cut(pid: int, addresses: Sequence[str] = (), *, from_platform: bool = False) -> Iterator[None]:
    """pid: a process of the pod. addresses: nothing goes to them or comes from them. from_platform: nobody reaches its agent."""
    rules = [f"ip saddr {{ {', '.join(addresses)} }} drop"] if addresses else []
    rules += [f"tcp dport {AGENT_PORT} drop"] if from_platform else []
    out = [f"ip daddr {{ {', '.join(addresses)} }} drop"] if addresses else []
    out += [f"tcp sport {AGENT_PORT} drop"] if from_platform else []
    text = f"table inet cut {{\n{_chain('input', rules)}\n{_chain('output', out)}\n}}\n"
    _nft(pid, text)
    try:
        yield
    finally:
        with suppress(subprocess.CalledProcessError):
            _nft(pid, "delete table inet cut")


def _chain(hook: str, rules: Sequence[str]) -> str:
    lines = [f"type filter hook {hook} priority -300;", *rules]
    return "\n".join([f"chain {hook} {{", *lines, "}"])


def _nft(pid: int, text: str) -> None:
    subprocess.run(["nsenter", "-t", str(pid), "-n", "nft", "-f", "-"], input=text, text=True, check=True, timeout=10)
