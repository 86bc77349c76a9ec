"""What nodes have left of cpu, memory and the like: whether it is enough, and where it is best taken."""
