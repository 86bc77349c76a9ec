"""What nodes and pods use, for metrics.k8s.io: figures of the nodes' kubelet APIs, kept for as long as somebody asks."""
