"""Whether a container that has ended runs again, and when its end restarts the whole pod. Pure.

A container's own rules are asked first, then its own policy, then the pod's. Source: KEP-5307 (container restart rules), KEP-5532
(restart of all containers); kubelet/container/helpers.go.
"""

from collections.abc import Collection

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import PodState, Tracked
from pilothouse.model.json import Object

RESTART, RESTART_ALL = "Restart", "RestartAllContainers"


def restarts(pod: Object, container: Object, tracked: Tracked) -> bool:
    """Whether a container that has ended is to be started again."""
    if tracked.redo or tracked.latest is None:
        return True
    if podspec.is_ordinary_init(pod, container) and (tracked.succeeded or tracked.cut):
        # The next sandbox begins with all of them.
        return tracked.cut
    if action(container, tracked):
        return True
    policy = podspec.policy_of(pod, container)
    return policy == "Always" or (policy == "OnFailure" and not tracked.succeeded)


def action(container: Object, tracked: Tracked) -> str:
    """What the container's first rule that matches its exit says; "" when none does."""
    if not tracked.exited or tracked.latest is None:
        return ""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        among = tracked.latest.exit_code in (codes.get("values") or ())
        if among == (codes.get("operator") == "In"):
            return str(rule.get("action") or "")
    return ""


def may_restart_all(pod: Object) -> bool:
    rules = [rule for each in podspec.all_containers(pod) for rule in each.get("restartPolicyRules") or ()]
    return any(rule.get("action") == RESTART_ALL for rule in rules)


def restart_source(pod: Object, state: PodState) -> Tracked | None:
    """The container whose end restarts all of them, until that has been done."""
    if not may_restart_all(pod):
        return None
    for container in podspec.all_containers(pod):
        tracked = state.of(container)
        if action(container, tracked) == RESTART_ALL:
            return tracked
    return None


def begin_again(pod: Object, state: PodState) -> None:
    """All containers have ended and are to run again from the first init container on, in the same sandbox. Attempts go on."""
    source = restart_source(pod, state)
    if source is not None:
        for tracked in lasting(pod, state):
            tracked.anew(counts=tracked is source)


def lasting(pod: Object, state: PodState) -> list[Tracked]:
    """What belongs to the pod: an ephemeral container runs once."""
    passing = {each["name"] for each in podspec.ephemeral_containers(pod)}
    return [tracked for tracked in state.containers.values() if tracked.name not in passing]


def leave_behind(pod: Object, state: PodState, left: Collection[str], source: str) -> None:
    """After a takeover: what ended before all containers were restarted is no container's newest incarnation any more.

    left: ids of those. source: id of the one whose end asked for the restart.
    """
    for tracked in lasting(pod, state):
        if tracked.exited and tracked.latest is not None and tracked.latest.id in left:
            tracked.anew(counts=tracked.latest.id == source)
