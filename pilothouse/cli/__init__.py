"""`ph`: one module a command group, loaded only when it is called, so that every command starts quickly."""
