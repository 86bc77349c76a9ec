"""Requests that the API server makes for its clients: what is sent, how it is answered, and what is changed of both."""
