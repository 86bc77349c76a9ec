"""What the node does on the side: rotates logs, and collects containers and images that nobody needs any more."""
