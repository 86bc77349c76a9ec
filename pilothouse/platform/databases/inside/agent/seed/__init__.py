"""How the server's folder comes to be: made empty, or received. It appears whole under its name, or not at all."""
