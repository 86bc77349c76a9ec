"""Storage drivers on this node: how they make themselves known, and the volumes that they mount into pods."""
