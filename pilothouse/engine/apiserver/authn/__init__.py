"""Authentication: from a certificate, a bearer token or nothing at all to a User."""
