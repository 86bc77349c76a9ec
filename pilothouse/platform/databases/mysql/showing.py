"""What a round has found, for the conditions and the status of its instance."""

import time

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import fullness, status, trouble
from pilothouse.platform.databases.mysql.conditions import ROOMY, Picture
from pilothouse.platform.databases.mysql.round import Round


def picture(done: Round) -> Picture:
    """What the conditions are made from."""
    found = done.actual.pods
    primary = done.members.get(done.decision.primary)
    pod = found.get(done.decision.primary)
    return Picture(
        is_writable=primary is not None and primary.is_writable and pod is not None and meta.is_true(pod, "Ready"),
        faults=done.effective.faults,
        taken=done.taken,
        refused=done.refused,
        heard=done.heard,
        troubles=done.troubles,
        findings=done.findings,
        resizing=done.resizing.hindrances,
        has_no_room=done.resizing.has_no_room,
        crowded=fullness.crowded(done.members.values(), was_said=(meta.condition(done.instance, ROOMY) or {}).get("status") == "False"),
        suspended=done.suspended,
        pods=len(found),
        ready=sum(done.is_well(name, pod) for name, pod in found.items()),
        replicas=done.spec.replicas,
        restarting=done.restarting,
        rotation=done.rotation,
    )


def shown(done: Round) -> list[Object]:
    """For `status.members`."""
    troubles, now = trouble.of_pods(done.actual.pods), time.time()
    before = {each["name"]: each for each in (done.instance.get("status") or {}).get("members") or ()}
    return [
        status.member(each, done.actual.pods.get(name), troubles.get(name, ("", ""))[1] or done.of_agent(each), before.get(name, {}), now)
        for name, each in done.members.items()
    ]


def inside(done: Round) -> Object:
    """What the primary has by now of accounts and databases, as its agent says it."""
    primary = done.members.get(done.standing.primary)
    found: Object = dict((primary.state or {}).get("objects") or {}) if primary is not None and primary.is_heard else {}
    return found
