"""What is said of a binding in its status (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.joining import conflict_of
from pilothouse.platform.databases.pattern.binding.names import app_of, kind_of, secret_of, service_of
from pilothouse.platform.databases.pattern.binding.seen import Progress, Said, Seen, owned
from pilothouse.platform.databases.pattern.binding.service import BackingService

DRAIN_S = 60.0
"""By then the replicas before the newest have ended, which go on for half a minute when they are replaced."""


def said_of(binding: Object, seen: Seen, service: BackingService, progress: Progress) -> Said:
    app, name = app_of(binding), service_of(binding)
    if seen.instance is None or meta.is_deleting(seen.instance):
        what = "is being deleted" if seen.instance is not None else "does not exist in this namespace"
        return "False", "NoService", f"{kind_of(binding)} {name} {what}"
    if missing := service.missing_database(binding, seen.instance, seen.databases):
        return "False", "NoDatabase", missing
    for obj in (seen.account, seen.secret):
        if obj is not None and not owned(obj, binding):
            taken = f"{obj['kind']} {meta.name(obj)} exists and is not this binding's"
            return "False", "NameTaken", f"{taken}: remove it, or make a Binding of another name"
    if trouble := _of_account(binding, seen, progress):
        return trouble
    if conflict := conflict_of(binding, seen):
        return "False", "Conflict", conflict
    if seen.app is None:
        return "False", "NoApp", f"there is no app {app}: it gets its variables as soon as it is deployed"
    if progress.serving is None:
        return "False", "Joining", f"{app} is given the variables"
    return ("True", "Bound", "") if progress.serving.is_good else ("False", progress.serving.reason, progress.serving.message)


def _of_account(binding: Object, seen: Seen, progress: Progress) -> Said | None:
    """That the account is not there yet, or not as it is wanted. One that a settled binding uses may be told anew meanwhile."""
    ready = meta.condition(seen.account or {}, "Ready") or {}
    if ready.get("status") == "False" and ready.get("reason") not in ("Waiting", None):
        return "False", "NoAccount", f"its account is not there: {ready.get('message')}"
    is_settled = meta.is_true(binding, "Ready") and _observed(binding)
    is_applied = seen.account is not None and meta.is_true(seen.account, "Ready") and _observed(seen.account) and progress.account is None
    if progress.connection is not None and (is_settled or is_applied):
        return None
    return "False", "Waiting", f"{service_of(binding)} is told of the account as soon as it answers"


def _observed(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("observedGeneration") == meta.generation(obj))


def served_at_of(binding: Object, said: Said, now_s: float) -> str:
    """Since when it has been so that the condition has this reason, for one that the app serves with or without."""
    before = meta.condition(binding, "Ready") or {}
    if said[1] not in ("Bound", "Draining"):
        return ""
    known = str((binding.get("status") or {}).get("servedAt") or "")
    return known if known and before.get("reason") == said[1] else meta.rfc3339(now_s)


def drain_s(served_at: str, now_s: float) -> float | None:
    """In how many seconds the replicas before have certainly ended; None when they have, or when they still serve."""
    left = meta.parse_rfc3339(served_at) + DRAIN_S - now_s if served_at else 0.0
    return left if left > 0 else None


def status_of(binding: Object, seen: Seen, said: Said, now_s: float, **fields: str) -> Object:
    """{} when all of it is so already."""
    status, reason, message = said
    old, generation = binding.get("status") or {}, meta.generation(binding)
    new = {"type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": generation}
    known: Object = {
        "observedGeneration": generation,
        "secret": secret_of(binding) if seen.secret is not None else "",
        "user": ((seen.account or {}).get("spec") or {}).get("name") or old.get("user") or "",
        "conditions": meta.with_condition(old.get("conditions"), new, meta.rfc3339(now_s)),
        **fields,
    }
    return known if any((old.get(key) or "") != (value or "") for key, value in known.items()) else {}


def refused(binding: Object, seen: Seen, why: str, now_s: float) -> Object:
    """The status of a binding whose objects the cluster does not take."""
    return status_of(binding, seen, ("False", "Refused", f"the cluster refuses it: {why}"), now_s)
