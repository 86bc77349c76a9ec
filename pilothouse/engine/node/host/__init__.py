"""The machine below: its facts, cgroups and namespaces, and how it is left as it was."""
