"""What the cluster's own parts use of their rights, as tests and instances show it; kept in a file that roles are held against.

`PILOTHOUSE_RECORD_USES=1 python -m pytest tests/engine/controllers tests/simulation tests/platform tests/e2e` adds what is new to the file.
"""

import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path

RECORD = Path(__file__).parent / "golden" / "uses.txt"
Use = tuple[str, str, str, str]
"""Identity, verb, resource, namespace ("*" for one of the users', "" for the cluster's), as `Uses` counts them."""
_SERIES = re.compile(
    r'pilothouse_own_requests_total\{allowed="(\w+)",namespace="([^"]*)",resource="([^"]*)",user="([^"]*)",verb="([^"]*)"\}'
)


def recorded() -> set[Use]:
    found = (line.split("|") for line in RECORD.read_text().splitlines() if line and not line.startswith("#"))
    return {(who.strip(), verb.strip(), resource.strip(), namespace.strip()) for who, verb, resource, namespace in found}


def note(uses: Iterable[Use]) -> None:
    """Add what is new to the record, when the environment asks for that."""
    if "PILOTHOUSE_RECORD_USES" not in os.environ:
        return
    with RECORD.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = recorded() | {use for use in uses if use[2] != "path"}
        file.truncate(0)
        file.write("# identity | verb | resource | namespace; written by tests/uses.py\n")
        file.writelines(f"{' | '.join(use)}\n" for use in sorted(found))


def of_metrics(text: str) -> tuple[set[Use], set[Use]]:
    """What an instance's /metrics tell: what was allowed and what was refused."""
    allowed: set[Use] = set()
    refused: set[Use] = set()
    for is_allowed, namespace, resource, user, verb in _SERIES.findall(text):
        (allowed if is_allowed == "true" else refused).add((user, verb, resource, namespace))
    return allowed, refused
