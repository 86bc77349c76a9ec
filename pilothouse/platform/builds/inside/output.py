"""The build's log: whole lines, at once."""

import sys


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
