"""Images on the node: those that are made there and those that are pulled."""
