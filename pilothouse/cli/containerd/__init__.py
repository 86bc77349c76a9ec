"""A later containerd than the machine's, kept beside Pilothouse: where it lies, how it is fetched, and what is said when it cannot be."""
