"""The server's own settings: which there are, what values they take, which need a restart, and which are the platform's."""
