"""The gateway: standard Ingress objects become routes of one Envoy in front of every app."""
