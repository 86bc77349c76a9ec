"""What Linux offers and Python has no module for: netlink, nftables, conntrack, network namespaces. Knows nothing of Kubernetes.

Everything here blocks: call it in a thread.
"""
