"""What goes with a namespace."""
