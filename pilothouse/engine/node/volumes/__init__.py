"""The volumes of pods: made, kept current, mounted, removed."""
