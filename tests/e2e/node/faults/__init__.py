"""What the node's parts may suffer, with real containers: killed at every point of a pod's life, stopped, without room, without answer."""
