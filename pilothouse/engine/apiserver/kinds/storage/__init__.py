"""Storage: classes, volumes and the claims to them."""
