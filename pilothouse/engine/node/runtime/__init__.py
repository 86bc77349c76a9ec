"""The container runtime: the seam, CRI over gRPC behind it, and the containerd that an instance runs."""
