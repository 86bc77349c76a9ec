"""The kind ClusterNetworkPolicy, which nodes carry out: its definition, made where it is missing."""
