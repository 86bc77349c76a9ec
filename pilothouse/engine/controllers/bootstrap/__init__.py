"""Bootstrap tokens: cleaned up when they have expired, and what the cluster tells strangers signed with them."""
