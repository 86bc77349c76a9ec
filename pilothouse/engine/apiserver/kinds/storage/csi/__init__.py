"""What the cluster knows of CSI drivers: what each can do, where it runs, what it has attached and how much room it has."""
