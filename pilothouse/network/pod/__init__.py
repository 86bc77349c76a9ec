"""The pod network of a node: what the container runtime asks for over CNI, answered in this process.

A script of a few lines stands where the runtime looks for CNI plug-ins and hands each request to a unix socket. Every pod
gets an address of the node's pod CIDR on a veth pair that ends in a bridge. Invariant: the kernel's links are the only record
of which address is whose, so nothing can disagree after a crash, and nothing is left after a reboot.
"""

from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.network import PodNetwork

__all__ = ["PodNetwork", "PodNetworkConfig"]
