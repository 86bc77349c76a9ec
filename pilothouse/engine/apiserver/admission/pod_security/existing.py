"""What a namespace's pods would be refused for, once its level rises. Bounded in pods and in time."""

import time
from collections.abc import Iterable

from pilothouse.engine.apiserver.admission.pod_security.policy import Level
from pilothouse.engine.apiserver.admission.pod_security.table import findings
from pilothouse.model.json import Object

MOST_PODS = 1000
_MOST_S = 0.1


def warnings(namespace: str, level: Level, pods: list[Object], count: int) -> list[str]:
    """One line for each combination of reasons, with the first pod that has it. count: of all pods, of which `pods` are the first."""
    until = time.monotonic() + _MOST_S
    by_reasons: dict[str, list[str]] = {}
    checked = 0
    for pod in _first_of_each_owner(pods):
        checked += 1
        found = findings(level, pod["metadata"], pod.get("spec") or {})
        if found:
            by_reasons.setdefault(", ".join(each.reason for each in found), []).append(pod["metadata"]["name"])
        if time.monotonic() > until:
            break
    said = []
    if checked < count:
        said.append(f"new PodSecurity enforce level only checked against the first {checked} of {count} existing pods")
    if by_reasons:
        said.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"')
    return said + [f"{_subject(names)}: {reasons}" for reasons, names in sorted(by_reasons.items(), key=lambda each: _subject(each[1]))]


def _first_of_each_owner(pods: Iterable[Object]) -> list[Object]:
    """Pods of one controller are alike: the first of each goes before all second ones."""
    firsts: list[Object] = []
    others: list[Object] = []
    seen: set[str] = set()
    for pod in pods:
        owner = next((ref["uid"] for ref in pod["metadata"].get("ownerReferences") or () if ref.get("controller")), None)
        (others if owner in seen else firsts).append(pod)
        if owner is not None:
            seen.add(owner)
    return firsts + others


def _subject(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"
