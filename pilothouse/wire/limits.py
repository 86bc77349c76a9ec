"""What one client may cost. Every figure bounds memory or time that a stranger can take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The API's own body limit upstream is 3 MiB; times follow what its Go server does, with bounds where that has none."""

    body_bytes: int = 3 * 1024 * 1024
    stranger_bytes: int = 64 * 1024
    """Of a body, before the server has been asked how much it takes from this client (`serve`'s `body_limit`)."""
    held_bytes: int = 256 * 1024 * 1024
    """Bodies of all connections that are still arriving or wait for the handler; what goes beyond is refused."""
    head_bytes: int = 64 * 1024
    header_count: int = 200
    head_s: float = 10.0
    """From the first byte of a request (or the connection's start) to the end of its head."""
    body_s: float = 60.0
    """From the end of the head to the end of the body."""
    idle_s: float = 90.0
    """How long a connection may wait for its next request, or a written answer may wait to be read."""
    linger_s: float = 2.0
    """How long a refused client's bytes are swallowed, so that it can read why."""
    pipelined: int = 32
    """Requests read ahead of the one being answered; beyond, the connection is not read."""
    connections: int = 20_000
