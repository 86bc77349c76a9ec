"""What a backing service needs whatever its kind: life cycle, bindings, backups, resize, dry run. Knows no kind of service."""
