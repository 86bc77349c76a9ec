"""The agent's HTTPS server: who may ask what."""
