"""Images in registries: the OCI distribution protocol."""
