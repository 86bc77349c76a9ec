"""The platform's own image registry: distribution's server on loopback, with its storage under the state directory."""
