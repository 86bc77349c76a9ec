"""What every cluster has from its first moment on: namespaces, roles, priority classes, and a Service for the API itself."""
