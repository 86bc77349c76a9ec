"""Node-pressure eviction: which pods go when the node is short of memory, disk or process numbers, and what goes before them."""
