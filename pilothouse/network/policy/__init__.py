"""NetworkPolicies on a node: which packets reach its pods, and which leave them.

    NetworkPolicies, Pods, Namespaces -> world (who is meant by each selector, what holds for each pod of this node)
        -> book (the difference as one nft transaction) -> kernel

A packet between pods of one node meets the rules of both. What answers a packet passes; every other packet is judged, so that a
connection ends with the policy that allowed it. A pod whose namespace has no policy costs nothing, and a cluster without
policies nothing is watched for. The rules stay when this process ends.
"""

from pilothouse.network.policy.component import NetworkPolicies
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.gate import Gate

__all__ = ["Gate", "NetworkPolicies", "NetworkPolicyConfig"]
