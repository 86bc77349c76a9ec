"""What a Job's own rules make of its pods: which failures do not count or end the job, and when enough has succeeded.

Source: Kubernetes 1.36, pod_failure_policy.go, success_policy.go; KEP-3329, KEP-3998.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pilothouse.engine.controllers.job import indexes
from pilothouse.model import meta
from pilothouse.model.json import Object

Action = Literal["FailJob", "Ignore", "Count", "FailIndex"]


class Match(NamedTuple):
    """The first rule that fits a failed pod; message: why, for a rule that ends the job."""

    action: Action
    message: str


def match(rules: list[Object], pod: Object) -> Match | None:
    """None: no rule fits, the failure counts."""
    for number, rule in enumerate(rules):
        words = _codes(rule["onExitCodes"], pod) if rule.get("onExitCodes") else _conditions(rule.get("onPodConditions") or [], pod)
        if words is not None:
            return Match(rule["action"], f"{words} matching {rule['action']} rule at index {number}")
    return None


def _codes(wanted: Object, pod: Object) -> str | None:
    for name, code in _exit_codes(pod):
        if wanted.get("containerName") not in (None, name) or code == 0:
            continue
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {name} for pod {meta.key(pod)} failed with exit code {code}"
    return None


def _exit_codes(pod: Object) -> Iterator[tuple[str, int]]:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses"):
        for each in status.get(field) or ():
            terminated = (each.get("state") or {}).get("terminated")
            if terminated:
                yield each["name"], terminated.get("exitCode", 0)


def _conditions(wanted: list[Object], pod: Object) -> str | None:
    for each in wanted:
        found = meta.condition(pod, each["type"])
        if found is not None and found.get("status") == each.get("status", "True"):
            return f"Pod {meta.key(pod)} has condition {each['type']}"
    return None


def is_enough(rules: list[Object], succeeded: set[int], completions: int) -> int | None:
    """The number of the first rule that the succeeded indexes fulfil."""
    for number, rule in enumerate(rules):
        among = indexes.parse(rule["succeededIndexes"], completions) if rule.get("succeededIndexes") else None
        counted = succeeded if among is None else succeeded & among
        needed = rule.get("succeededCount")
        if len(counted) >= (needed if needed is not None else len(among or ())):
            return number
    return None
