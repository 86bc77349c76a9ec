"""Which part of the cluster's pod network each node has."""
