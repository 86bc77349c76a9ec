"""Images made from Debian packages that stand in for public ones: which there are, and how they are made."""
