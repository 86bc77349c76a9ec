"""What is legal in a pod and probably not meant: sent as Warning headers beside success. Source: pkg/api/pod/warnings.go."""
