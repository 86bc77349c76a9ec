"""The kubelet API: what the node says over its TLS port, to callers whose rights the API server judges."""
