"""Calls to webhooks: the one HTTP client that the API server has for programs of others."""
