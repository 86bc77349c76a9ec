"""What one client may cost. Every figure bounds memory or time that a stranger can take."""

from dataclasses import dataclass

SLICE_BYTES = 64 * 1024
"""How much of one connection's bytes is read or sent before others have their turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The API's own body limit upstream is 3 MiB; times follow what its Go server does, with bounds where that has none."""

    body_bytes: int = 3 * 1024 * 1024
    stranger_bytes: int = 64 * 1024
    """Of a body, before the server has been asked how much it takes from this client (`serve`'s `body_limit`)."""
    held_bytes: int = 32 * 1024 * 1024
    """Bodies of all connections, from their arrival until they are answered, and what has been sent ahead of answers; more is refused."""
    reserved_bytes: int = 32 * 1024 * 1024
    """More, but only for bodies within a stranger's share, for heads and for what waits: a flood of large bodies keeps no small one out."""
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
    idle: int = 2_000
    """Connections from one address that have nothing to do; one more, and the one that has rested longest is closed."""
    silent: int = 4_000
    """Connections that have sent nothing yet, and those that wait for their TLS handshake: bare sockets."""
    handshakes: int = 64
    """Under way at a time."""
    handshakes_each: int = 16
    """Of these, from one address."""
    handshake_every_s: float = 0.002
    """Between the beginnings of two: each costs the loop about a millisecond, and requests get the rest."""
    handshake_burst: int = 32
    """So many begin without a pause after a time without any: clients open several connections at once."""
