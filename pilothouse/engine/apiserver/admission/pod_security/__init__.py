"""Pod Security admission: what the pods of a namespace may ask of the host, by the namespace's labels."""
