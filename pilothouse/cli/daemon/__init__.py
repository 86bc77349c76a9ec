"""The processes behind `ph up`: wiring, state file, logging."""
