"""What stands in the way of an instance's members, as sentences with a way out (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.platform.databases.mysql.topology import failover, reseeding, switchover
from pilothouse.platform.databases.mysql.topology.begin import first_of
from pilothouse.platform.databases.mysql.topology.errant import has_errant, may_have_errant
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

MOST_SHOWN = 200
"""Characters of a position in a sentence."""


@dataclass(frozen=True, slots=True)
class Finding:
    """reason: of a condition. message: one sentence. stops_writes: whether nothing can be written until it is mended."""

    reason: str
    message: str
    stops_writes: bool = False


def findings(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> tuple[Finding, ...]:
    found = [_of_beginning(wish, standing, members), _of_primary(wish, standing, members), _of_switchover(wish, standing, members)]
    found += [
        _of_acknowledgements(wish, standing, members),
        _of_reseed(wish, standing, members),
        *(_of_member(wish, standing, members, member) for member in members.values()),
    ]
    return tuple(finding for finding in found if finding is not None)


def shown(position: str) -> str:
    """Of a position that names many servers, the beginning."""
    return position if len(position) <= MOST_SHOWN else f"{position[:MOST_SHOWN]}..."


def _of_beginning(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Finding | None:
    if standing.primary or standing.seeded:
        return None
    silent = [name for name in wish.names if name not in members or not members[name].is_heard]
    if silent:
        return Finding("Starting", f"waits for {', '.join(silent)}")
    if first_of(wish, [members[name] for name in wish.names]) is None:
        text = "several volumes hold data, and nothing says which has the newest"
        return Finding("NewestUnknown", f"{text}: ph mysql failover {wish.name} --force --to MEMBER takes that one's", True)
    return None


def _of_primary(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Finding | None:
    if standing.is_electing:
        voters = failover.acknowledging(standing, members)
        if silent := [each.name for each in voters if not each.answers or each.fence_term != standing.term]:
            return Finding("FailingOver", f"waits for {', '.join(silent)} to stop receiving from {standing.move.source}", True)
        lacking = [each.name for each in voters if not each.is_intact]
        return Finding("FailingOver", f"waits for {standing.move.source}, since {', '.join(lacking)} may lack what it acknowledged", True)
    name = standing.primary
    why = failover.why_lost(standing, members) if standing.seeded else ""
    if not why and failover.is_without_source(standing, members):
        why = f"lacks transactions that it is to go on from ({shown(standing.move.handed)})"
    if not why:
        return None
    why += _cause(members.get(name))
    if wish.replicas == 1:
        return Finding("PrimaryAway", f"{name} {why}: {_way_of_single(wish, members.get(name))}", True)
    way = f"it is started again; when it is lost for good: ph mysql failover {wish.name} --force"
    return Finding("PrimaryAway", f"{name} {why}, and {failover.hindrance(standing, members)}: {way}", True)


def _cause(member: Member | None) -> str:
    error = str((member.state or {}).get("error") or "") if member is not None and member.is_heard else ""
    return f" ({error})" if error else ""


def _way_of_single(wish: Wish, member: Member | None) -> str:
    if member is not None and member.data == "empty":
        return f"restore a backup into a new instance: ph mysql restore {wish.name} --to {wish.name}-restored"
    return "it is started again"


def _of_acknowledgements(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Finding | None:
    primary = members.get(standing.primary)
    if not standing.waits or primary is None or not primary.answers or not primary.waits_for_acknowledgements:
        return None
    if any(each.receives for each in failover.acknowledging(standing, members)):
        return None
    way = f"start one again, or have one member alone: ph mysql scale {wish.name} 1"
    return Finding("NoAcknowledgement", f"writes wait: no replica is there to acknowledge them: {way}", True)


def _of_switchover(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Finding | None:
    primary = members.get(standing.primary)
    asked = switchover.is_asked(wish, standing) and not wish.force
    if standing.move.is_open or primary is None or not (asked or primary.leaves) or len(members) < 2:
        return None
    to = wish.switch_to if asked else ""
    if to and to not in members:
        return Finding("NoSuchMember", f"there is no member {to} to switch over to: there are {', '.join(members)}")
    if switchover.candidate(standing, members, to) is None:
        return Finding(
            "SwitchoverWaits", f"{to or 'no replica'} {'does not follow' if to else 'follows'} {primary.name} closely enough yet"
        )
    return None


def _of_reseed(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Finding | None:
    """Also of a request that is over, for as long as it stands in the spec and could not be carried out."""
    member = members.get(wish.reseed_member)
    if not wish.reseed_at or (member is not None and member.reseeded == wish.reseed_at):
        return None
    why = reseeding.hindrance(wish, standing, members)
    return Finding("ReseedRefused", f"the data of {wish.reseed_member} stay: {why}") if why else None


def _of_member(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> Finding | None:
    way = f"ph mysql reseed {wish.name} {member.name} throws its data away and copies the primary's"
    if has_errant(standing, members, member) and not reseeding.occasion(wish, standing, members, member):
        return Finding("Errant", f"{member.name} has transactions that {standing.primary} has not ({shown(member.executed_text)}): {way}")
    if may_have_errant(standing, members, member):
        text = f"{member.name} is behind what {standing.primary} keeps in its logs, and may have transactions of its own"
        return Finding("Errant", f"{text} ({shown(member.executed_text)}): {way}")
    error = str((member.state or {}).get("error") or "")
    return Finding("MemberFailed", f"{member.name}: {error}") if error and member.is_heard else None
