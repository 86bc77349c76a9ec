"""A new password for the account by which members follow the primary, without an interrupted replication (pure).

The primary lets in the new one beside the old one before anybody uses it; then replicas take it one after the other, each while another
one acknowledges; the old one ends when all have it, and not before an hour is over, since the archive reads it from a mounted Secret.
Each step is one write of the system Secret, and what it holds says where a rotation is:

    replication-password                          no rotation is under way
    replication-password, replication-next        the primary is to let in the next one, too
    replication-password, replication-old         replicas take the new one, and the old one works on
"""

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.accounts.rotation import CHANGED_AT, KEEP_OWN_S, ROTATED_AT
from pilothouse.platform.databases.mysql.objects.secrets import REPLICATION, REPLICATION_KEY
from pilothouse.platform.databases.mysql.tls import Files
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing

NEXT, OLD = "replication-next", "replication-old"
Said = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """asked: `spec.rotatedAt`; "" for none, which ends no rotation that has begun.

    is_let_in: whether the primary has carried out an order with both passwords.
    lacking: members that have pods and do not follow with the new password yet.
    """

    asked: str
    is_let_in: bool
    lacking: Collection[str]


def version(password: bytes) -> str:
    """By which a replica says with which password it follows; nothing secret can be read from it."""
    return hashlib.sha256(password).hexdigest()[:12]


def credentials(system: Files, *, is_new: bool) -> Object:
    """`replication` of an order. is_new: whether its member is to use the new password where there are two in use."""
    current, beside = system[REPLICATION_KEY], system.get(NEXT) or system.get(OLD) or b""
    if OLD in system and not is_new:
        current, beside = beside, current
    return {"user": REPLICATION, "password": current.decode(), "old_password": beside.decode(), "version": version(current)}


def lacking(system: Files, standing: Standing, members: Mapping[str, Member]) -> list[str]:
    """Those that do not follow with the newest password, the primary aside."""
    new = version(system[REPLICATION_KEY])
    return [name for name, member in members.items() if name != standing.primary and member.state is not None and member.account != new]


def with_new(system: Files, standing: Standing, members: Mapping[str, Member]) -> set[str]:
    """The members that are told the new password: those that have it, and the next one as soon as nobody waits for it."""
    rest = lacking(system, standing, members)
    return {*(name for name in members if name not in rest), *_turn(rest, standing, members)}


def _turn(rest: list[str], standing: Standing, members: Mapping[str, Member]) -> list[str]:
    """A replica that takes it ceases to receive for a moment: all that have it follow again, and another one acknowledges."""
    others = [member for name, member in members.items() if name not in (*rest, standing.primary)]
    if not all(member.follows(standing.primary) for member in others):
        return []
    for name in rest:
        acknowledging = [
            each for each in standing.acknowledging if each != name and each in members and members[each].follows(standing.primary)
        ]
        if members[name].is_heard and (not standing.waits or name not in standing.acknowledging or acknowledging):
            return [name]
    return []


def is_underway(secret: Object) -> bool:
    """Whether two passwords are valid."""
    data = secret.get("data") or {}
    return NEXT in data or OLD in data


def turned(secret: Object, progress: Progress, now_s: float, password: Callable[[], bytes]) -> Object | None:
    """The system Secret as it has to become; None: as it is."""
    data, marks = secret.get("data") or {}, meta.annotations(secret)
    if NEXT in data:
        if not progress.is_let_in:
            return None
        rest = {key: value for key, value in data.items() if key != NEXT}
        return _changed(secret, rest | {REPLICATION_KEY: data[NEXT], OLD: data[REPLICATION_KEY]}, now_s, {})
    if OLD in data:
        until = old_until(secret)
        if until is None:
            return _changed(secret, data, now_s, {})
        is_over = not progress.lacking and until <= now_s
        return _changed(secret, {key: value for key, value in data.items() if key != OLD}, now_s, {}) if is_over else None
    if not progress.asked or progress.asked == marks.get(ROTATED_AT):
        return None
    return _changed(secret, data | {NEXT: base64.b64encode(password()).decode()}, now_s, {ROTATED_AT: progress.asked})


def _changed(secret: Object, data: Object, now_s: float, marks: dict[str, str]) -> Object:
    annotations = meta.annotations(secret) | {CHANGED_AT: meta.rfc3339(now_s)} | marks
    return secret | {"metadata": secret["metadata"] | {"annotations": annotations}, "data": data}


def old_until(secret: Object) -> float | None:
    """Before which the old password does not end, in seconds of the epoch; None of a Secret, made anew by others, that does not say it."""
    try:
        return meta.parse_rfc3339(meta.annotations(secret).get(CHANGED_AT, "")) + KEEP_OWN_S
    except ValueError:
        return None


def said(secret: Object, progress: Progress) -> Said | None:
    """Of the condition Rotated; None for an instance that nobody has asked for it."""
    data, marks = secret.get("data") or {}, meta.annotations(secret)
    until = old_until(secret) if OLD in data else None
    if not progress.asked:
        return None
    if progress.asked != marks.get(ROTATED_AT):
        last = f" until {meta.rfc3339(until)}" if until else ""
        return "False", "RotationWaits", f"the password of replication before the last works on{last}, and the next rotation begins then"
    if NEXT in data:
        return "False", "Rotating", "the primary has yet to let in the new password of replication beside the old one"
    if progress.lacking:
        return "False", "Rotating", f"{', '.join(progress.lacking)} has yet to follow with the new password of replication"
    ends = f"the password of replication before it ends at {meta.rfc3339(until)}" if until else ""
    return "True", "Rotated", ends
