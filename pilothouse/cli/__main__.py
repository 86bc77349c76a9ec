"""`python -m pilothouse.cli` is `ph`."""

from pilothouse.cli.main import main

main()
