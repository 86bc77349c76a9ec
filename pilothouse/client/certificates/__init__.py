"""Client certificates that the cluster signs: asked for, written down, renewed before they end."""
