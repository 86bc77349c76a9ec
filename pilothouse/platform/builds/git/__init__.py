"""Git repositories as sources: their addresses, the commit that a revision means, and a copy of it to look at."""
