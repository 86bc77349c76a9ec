"""One packet on its way through a node: which rules it met, and which of them ended it.

The node sends the packet out of a pod, or waits for it; the kernel tells what its rules do to it (`meta nftrace`). Whoever asks puts the
nodes' reports together. Nothing of it stays: the rule that marks the packet goes with the request, and forgets it by itself after a time.
"""

from pilothouse.network.trace.config import TraceConfig
from pilothouse.network.trace.serving import WORD, Tracing

__all__ = ["WORD", "TraceConfig", "Tracing"]
