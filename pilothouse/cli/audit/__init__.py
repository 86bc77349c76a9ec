"""Reading the audit log of the instance on this machine, and choosing what is recorded in it."""
