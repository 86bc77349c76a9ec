"""Why a spec cannot pass here, spec by spec as a person found out; a failed spec without an entry is shown as not explained.

REMOVED: upstream took the API or the behaviour away before the version that we serve, so no newer Kubernetes passes it either.
MACHINE: needs what a machine without a cloud or the public Internet has not, or tests the harness's own stand-ins.
OURS: we do it differently or not at all.
"""

import re
from dataclasses import dataclass

REMOVED, MACHINE, OURS = "removed upstream", "machine", "ours"


@dataclass(frozen=True, slots=True)
class Reason:
    """pattern: found in the spec's name. why: a sentence, with the version for what was removed."""

    pattern: str
    kind: str
    why: str


REASONS: list[Reason] = []


def reason_of(spec: str) -> Reason | None:
    return next((each for each in REASONS if re.search(each.pattern, spec)), None)
