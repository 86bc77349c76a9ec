"""Nodes tell each other, and routers outside, which addresses they are the way to: BGP, by a BIRD on each node. Source: Calico."""

from pilothouse.network.backends.bgp.backend import BGP

__all__ = ["BGP"]
