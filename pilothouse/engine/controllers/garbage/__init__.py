"""What goes when its owners have gone."""
