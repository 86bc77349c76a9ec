"""What backups of MySQL instances need that is MySQL's own: whom to copy, the archive of the log, restores."""
