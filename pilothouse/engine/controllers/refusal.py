"""When the API server refuses what a controller asks for (a quota, an admission rule): no bug, but no reason to give up either."""

from pilothouse.client.controller import AWAY, STALE
from pilothouse.client.outcome import Retry
from pilothouse.client.queue import WorkQueue
from pilothouse.model.errors import ApiError


def is_namespace_ending(error: ApiError) -> bool:
    """Whether a create was refused because its namespace is being deleted: nothing to report, nothing to retry."""
    causes = (error.details or {}).get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def retry(queue: WorkQueue, key: str, error: ApiError) -> Exception:
    """What to raise: a try after the key's back-off. Stale caches and an absent server are the controller loop's own matter."""
    if isinstance(error, (*STALE, *AWAY)):
        return error
    return Retry(queue.add_backoff(key), error.message)
