"""Which revision runs when the newest makes no progress and the replicas of the one before had to end for it (pure).

With a rolling update the old replicas serve on whatever becomes of the new ones. Where a volume has one writer they have ended, so the last
revision that served is run again. That the newest was given up is written into the status first and acted upon afterwards: an interrupted
platform goes on where it was, and nothing tries the same revision again until the spec asks for another.
"""

from collections.abc import Mapping, Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.ready import is_stuck


def given_up(app: Object, kept: Sequence[Object], wanted: Sequence[Object], deployments: Mapping[str, Object]) -> str:
    """Name of the newest revision when it is given up, now or before; "" when it is not.

    kept: revisions, oldest first. wanted: the Deployments of the newest. deployments: those that exist, by name.
    """
    if earlier(app, kept) is None:
        return ""
    name = meta.name(kept[-1])
    if (app.get("status") or {}).get("givenUp") == name:
        return name
    recreated = any(each["spec"]["strategy"]["type"] == "Recreate" for each in wanted)
    return name if recreated and any(is_stuck(deployments.get(meta.name(each)), each) for each in wanted) else ""


def earlier(app: Object, kept: Sequence[Object]) -> Object | None:
    """The last revision before the newest that the app was ready with."""
    served = {each["number"] for each in (app.get("status") or {}).get("revisions") or () if each.get("served")}
    return next((revision for revision in reversed(kept[:-1]) if int(revision["revision"]) in served), None)


def in_effect(app: Object, kept: Sequence[Object]) -> Object | None:
    """The revision that is to run: the newest, or the one before once the status says that the newest was given up."""
    if not kept:
        return None
    has_given_up = (app.get("status") or {}).get("givenUp") == meta.name(kept[-1])
    return (earlier(app, kept) if has_given_up else None) or kept[-1]
