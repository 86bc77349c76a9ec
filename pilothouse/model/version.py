"""The Kubernetes whose API is served."""

KUBERNETES = "v1.36.2"
