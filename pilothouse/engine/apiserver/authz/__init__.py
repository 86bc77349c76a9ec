"""Authorization: RBAC over roles and bindings held in memory, and the reviews that ask it questions."""
