"""Images: in registries by the OCI distribution protocol, and made from a distribution's packages."""
