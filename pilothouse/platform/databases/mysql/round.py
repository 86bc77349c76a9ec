"""One round of the controller over one instance: what is not as it is wanted is changed, members are told, and the status says all of it.

Nothing here waits for something that takes long; what is not there yet is looked for in the next round. A refusal of the cluster stops
neither orders nor the status, since a primary that is lost must be replaced whatever else is wrong.
"""

import time
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.oci.packages.programs import ImageError
from pilothouse.platform.databases.mysql import (
    conditions,
    growth,
    labels,
    leading,
    names,
    orders,
    restarts,
    rotation,
    stopping,
    tls,
    trouble,
    versions,
)
from pilothouse.platform.databases.mysql.actual import Actual, Effective
from pilothouse.platform.databases.mysql.conditions import ROTATED, Said
from pilothouse.platform.databases.mysql.images import Asked, satisfies
from pilothouse.platform.databases.mysql.objects import budget, claims, pods, programs, services, sets
from pilothouse.platform.databases.mysql.objects.pods import Server
from pilothouse.platform.databases.mysql.objects.secrets import Known, random_password
from pilothouse.platform.databases.mysql.parameters.check import normalized
from pilothouse.platform.databases.mysql.parameters.refused import Heard, refused
from pilothouse.platform.databases.mysql.parts import Parts
from pilothouse.platform.databases.mysql.patching import REFUSED, patched
from pilothouse.platform.databases.mysql.resizing import Resizing
from pilothouse.platform.databases.mysql.topology.decide import Decision, decide
from pilothouse.platform.databases.mysql.topology.findings import Finding
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.orders import Order
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

NEW_S = 60.0
"""So long a pod may take until its agent is heard, without its primary being called away."""
MOST_STEPS = 8
"""Of the topology in one round: each is written before the next is decided."""
SOON_S, OFTEN_S, SELDOM_S, REFUSED_S, SETTLED_S = 0.5, 2.0, 10.0, 15.0, 300.0
"""When to look again though nothing was heard: while the primary moves, while anything is to come, when that has lasted for LONG_S, after
a refusal, when nothing is to come."""
LONG_S = 60.0


class Round:
    """known: what the Secrets hold. suspended: whether the instance is to stand still, as `lifecycle.stage` says.

    is_blind: whether nothing is known of members yet, so that nothing is to be said of them.
    """

    def __init__(self, parts: Parts, instance: Object, actual: Actual, effective: Effective, known: Known, *, suspended: bool) -> None:
        self.parts = parts
        self.instance = instance
        self.actual = actual
        self.effective = effective
        self.spec = effective.spec
        self.known = known
        self.suspended = suspended
        self.key = meta.key(instance)
        self.version = programs.version(parts.program)
        self.server: Server | None = None
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.troubles: list[tuple[str, str]] = []
        self.findings: list[Finding] = []
        self.resizing = Resizing(parts.client, self.spec, actual, is_faulty=bool(effective.faults))
        self.restarting: list[str] = []
        self.rotation: Said | None = conditions.before(instance, ROTATED)
        self.members: dict[str, Member] = {}
        self.documents: dict[str, bytes] = {}
        self.decision = Decision(self.standing)
        self.is_blind = False
        self.heard: Heard | None = None

    @property
    def standing(self) -> Standing:
        return Standing.of(self.instance.get("status") or {})

    async def run(self) -> float | None:
        """In how many seconds to look again."""
        self.server = self._server()
        await self.parts.reaching.watch(self.key, self.actual.pods, self.known.system)
        self.members = self._members()
        self.is_blind = self.parts.reaching.is_blind(self.key)
        if self.is_blind:
            await self._ensure()
            return OFTEN_S
        if self.suspended:
            self._tell(stopping.orders(self.standing, self.members))
        else:
            await self._decide()
            self._tell(self.decision.orders)
            self._hear_of_settings()
            await self._label()
            await self._rotate()
        await self._ensure()
        if not self.suspended:
            await self.resizing.run(self.members, self._obeys)
            await self._restart()
        await self._find_troubles()
        if self._is_settled():
            self.parts.reaching.settle(self.key)
            return SETTLED_S
        return self._again_s()

    async def stop(self) -> None:
        """For an instance that goes: a primary whose pod is deleted waits for somebody to take over, unless its server is told to stop."""
        await self.parts.reaching.watch(self.key, self.actual.pods, self.known.system)
        self.members = self._members()
        if not self.parts.reaching.is_blind(self.key):
            self._tell(stopping.orders(self.standing, self.members))

    def _server(self) -> Server | None:
        """What members are to run; what they run now while another image is being made. None when there is nothing yet."""
        old, asked = self.instance.get("status") or {}, Asked(self.spec.flavour, self.spec.version, self.spec.image or "")
        kept = Server(old["image"], old.get("version", ""), old.get("imageAsked", "")) if old.get("image") else None
        if kept is not None and kept.asked == asked.image and satisfies(kept.version, asked.version):
            return kept
        try:
            image = self.parts.images.get(asked, self.key)
        except ImageError as error:
            self.troubles.append(("NoImage", str(error)))
            return kept
        if image is not None and (fault := versions.fault(asked.flavour, versions.of_data(old), image.version)):
            self.troubles.append(("NoImage", f"the image {image.reference} cannot be run: {fault}"))
            return kept
        # One that is not to be what it is now is changing, from the moment that this is asked for.
        self.restarting = list(self.actual.pods)
        if image is None and kept is None and self.parts.images.is_making(asked):
            self.troubles.append(("MakingImage", "the server's image is being made: about a minute, once"))
        return Server(image.reference, image.version, asked.image) if image is not None else kept

    def _members(self) -> dict[str, Member]:
        """Those that are wanted and those that are still there, by ordinal."""
        name, found = meta.name(self.instance), self.actual.pods
        wanted = [names.member(name, ordinal) for ordinal in range(self.spec.replicas)]
        all_names = sorted({*wanted, *found}, key=names.ordinal)
        old = restarts.outdated(found, pods.state(self.spec, self.server)) if self.server is not None else []
        members = {each: self.parts.reaching.member(self.key, each, found.get(each)) for each in all_names}
        leaving = {restarts.leaving(self.standing, old, members), *(each for each in all_names if each not in wanted)}
        return {
            each: replace(member, leaves=member.leaves or each in leaving, silent_s=self._silent_s(member))
            for each, member in members.items()
        }

    def _silent_s(self, member: Member) -> float:
        same_s = self.parts.moves.same_s(f"{self.key} {member.name}", member.is_heard)
        return 0.0 if member.is_heard else same_s

    async def _decide(self) -> None:
        """Each step is in the status before anybody hears of it, and only if nobody else has written there."""
        for _ in range(MOST_STEPS):
            self.decision = decide(self.effective.of(self.instance), self.members, self._moment())
            if self.decision.standing == self.standing:
                self.findings += map(self._of_start, self.decision.findings)
                return
            old: Object = self.instance.get("status") or {}
            await self.write(old | self.decision.standing.status())

    def _moment(self) -> Moment:
        move = self.standing.move
        same_s = self.parts.moves.same_s(self.key, (move.started_at, move.handed, move.finished_at))
        return Moment(meta.rfc3339_micro(time.time()), same_s)

    def _of_start(self, found: Finding) -> Finding:
        """A primary whose pod is new, or whose server its agent is about to start, is not away."""
        if found.reason != "PrimaryAway":
            return found
        name = self.standing.primary
        state = self.members[name].state if name in self.members else None
        if state is None:
            pod = self.actual.pods.get(name)
            is_new = pod is None or time.time() - meta.parse_rfc3339(pod["metadata"]["creationTimestamp"]) < NEW_S
            return Finding("Starting", f"{name} starts", stops_writes=True) if is_new else found
        if not self.members[name].is_heard or state.get("process") == "ended" or state.get("error"):
            return found
        return Finding("Starting", f"{name} starts: {state.get('doing') or 'its server is next'}", stops_writes=True)

    async def write(self, new: Object) -> None:
        """Raises Conflict when the instance is no longer as this round has seen it."""
        self.instance = await self.parts.write_status(self.instance, new)

    def _tell(self, told: Mapping[str, Order]) -> None:
        version = self.server.version if self.server is not None else ""
        new = rotation.with_new(self.known.system, self.standing, self.members)
        inside = self.parts.inside(self.instance)
        for name, order in told.items():
            amounts = growth.told(self.spec, self.actual.pods.get(name))
            account = rotation.credentials(self.known.system, is_new=name in new)
            document = orders.document(self.instance, self.spec, order, amounts, version, account, inside)
            self.documents[name], beyond = orders.fitting(document)
            if beyond:
                self.findings.append(Finding("TooMuchInside", beyond))
        for said in self.parts.reaching.tell(self.key, self.actual.pods, self.documents):
            self.findings.append(Finding("Superseded", said))

    async def _rotate(self) -> None:
        """One step towards another password of replication, where one is asked for or under way."""
        name = names.system(meta.name(self.instance))
        secret, primary = self.actual.secrets.get(name), self.members.get(self.standing.primary)
        if secret is None or not (self.spec.rotated_at or rotation.is_underway(secret)):
            return
        progress = rotation.Progress(
            self.spec.rotated_at or "",
            is_let_in=primary is not None and self._obeys(primary.name) and not self.of_agent(primary),
            lacking=rotation.lacking(self.known.system, self.standing, self.members),
        )
        changed = rotation.turned(secret, progress, time.time(), random_password)
        if changed is not None:
            await self._try(self._write_secret(changed))
            progress = replace(progress, lacking=rotation.lacking(tls.files(changed), self.standing, self.members))
        self.rotation = rotation.said(changed or secret, progress)

    def _obeys(self, name: str) -> bool:
        """Whether a member has carried out all that it is told now."""
        pod, document = self.actual.pods.get(name), self.documents.get(name)
        return pod is not None and document is not None and self.parts.reaching.obeys(self.key, pod, document)

    async def _write_secret(self, secret: Object) -> None:
        await self.parts.client.update(kinds.SECRETS, secret)

    def _hear_of_settings(self) -> None:
        """What an agent says of settings counts once it has carried out the document that has them."""
        settled = [name for name in self.documents if self._obeys(name)]
        said = [(self.members[name].state or {}).get("rejected") for name in settled]
        wanted, before = normalized(self.spec.flavour, self.spec.parameters), (self.instance.get("status") or {}).get("refusedParameters")
        found = refused(wanted, before or (), [each for each in said if isinstance(each, dict)])
        self.heard = Heard(meta.name(self.instance), found, is_all=bool(self.documents) and len(settled) == len(self.documents))

    async def _label(self) -> None:
        found = self.actual.pods
        for name, wanted in leading.wanted(found, self.decision.primary, self.decision.readable).items():
            await self._try(patched(self.parts.client, found[name], {"metadata": {"uid": meta.uid(found[name]), "labels": wanted}}))

    async def _ensure(self) -> None:
        if self.effective.faults:
            return
        await self._try(self._ensure_objects())

    async def _ensure_objects(self) -> None:
        instance, cache = self.instance, self.parts.cache
        for wanted in (*services.services(instance), budget.budget(instance), self.parts.policy(instance)):
            self._note(await cache.ensure(instance, wanted))
        self._note(await cache.ensure(instance, programs.config_map(instance, self.parts.program)))
        for member in self._kept():
            self._note(await cache.ensure(instance, claims.claim(instance, self.spec, member)))
        if self.server is not None and not self.taken:
            wanted = sets.stateful_set(instance, self.spec, self.server, self._replicas())
            self._note(await cache.ensure(instance, wanted, change=sets.changed))
        for each in claims.unneeded(self.actual.claims.values(), {*self._kept(), *self.actual.pods}):
            await cache.remove(each)
        configs = list(cache.own(kinds.CONFIGMAPS, instance).values())
        for each in programs.unneeded(instance, configs, [*self.actual.pods.values(), *self._templates()]):
            await cache.remove(each)

    def _templates(self) -> list[Object]:
        found = self.actual.stateful_set
        return [found["spec"]["template"]] if found is not None else []

    def _note(self, taken: str) -> None:
        if taken:
            self.taken.append(taken)

    def _replicas(self) -> int:
        """None while it stands still; else with those that cannot go yet, since they are the primary or may alone have what it wrote.

        Who is not heard counts as still, so that nothing follows from a round that is blind.
        """
        if self.suspended:
            is_still = not self.is_blind and all(map(stopping.is_still, self.members.values()))
            return 0 if is_still else self.actual.replicas
        needed = [names.ordinal(name) + 1 for name in (self.standing.primary, *self.standing.acknowledging) if name in self.actual.pods]
        return max(self.spec.replicas, *needed) if needed else self.spec.replicas

    def _kept(self) -> list[str]:
        return [names.member(meta.name(self.instance), ordinal) for ordinal in range(self._replicas() or self.spec.replicas)]

    async def _restart(self) -> None:
        if self.server is None:
            return
        old = restarts.outdated(self.actual.pods, pods.state(self.spec, self.server))
        self.restarting = self.restarting or [name for name, pod in self.actual.pods.items() if name in old or meta.is_deleting(pod)]
        found = self.actual.stateful_set
        # As long as the template is not the new one, a pod would only be made again as it was.
        is_set = found is not None and meta.annotations(found["spec"]["template"]).get(labels.STATE) == pods.state(self.spec, self.server)
        broken = [name for name in trouble.of_pods(self.actual.pods) if not self.members[name].answers]
        name = restarts.due(self.standing, old, self.members, broken) if is_set and not self._is_ending() else ""
        if name:
            self.parts.recorder.say(self.instance, "Normal", "Restarting", f"{name} is made anew with what has changed")
            await self._try(self.parts.cache.remove(self.actual.pods[name]))

    def _is_ending(self) -> bool:
        return any(map(meta.is_deleting, self.actual.pods.values()))

    async def _try(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        except REFUSED as error:
            self.refused.append(error.message)

    async def _find_troubles(self) -> None:
        """The cluster's own words on what is missing are asked for only when something is."""
        found = trouble.of_pods(self.actual.pods)
        self.troubles += found.values()
        if new := {name: pod for name, pod in self.actual.pods.items() if trouble.is_new(pod)}:
            self.troubles += trouble.of_pulls(new, await self.parts.events.of(self.instance, trouble.PULLING))
        missing = [name for name in self.members if name not in self.actual.pods or name in found]
        if missing and not self.suspended and self.actual.stateful_set is not None and not self._is_ending():
            self.troubles = [
                *trouble.of_events(self.instance, await self.parts.events.of(self.instance, trouble.EVENTS), missing),
                *self.troubles,
            ]

    def is_well(self, name: str, pod: Object) -> bool:
        """Whether a member does its part: its pod is ready, and its server accepts writes or follows the one that does."""
        member = self.members[name]
        return meta.is_true(pod, "Ready") and (member.is_writable or member.follows(self.standing.primary))

    def of_agent(self, member: Member) -> str:
        """That it has an older program than the platform's, as long as its node has not brought it the new one."""
        runs = (member.state or {}).get("agent")
        return "its agent has yet to take the platform's new program" if runs not in (None, "", self.version) else ""

    def _again_s(self) -> float:
        if self.refused or self.taken:
            return REFUSED_S
        if self.standing.is_electing or self.standing.move.is_open:
            return SOON_S
        return OFTEN_S if self.parts.reaching.has_news(self.key, LONG_S) else SELDOM_S

    def _is_settled(self) -> bool:
        """Whether nothing is to come of which neither the cluster nor an agent would tell: all is as it is wanted, or stands still."""
        waits = (self.refused, self.taken, self.troubles, self.findings, self.resizing.hindrances, self.restarting)
        if any(waits) or self.standing.is_electing or self.standing.move.is_open:
            return False
        pods = self.actual.pods
        if self.suspended:
            return not pods
        return self._is_safe() and len(pods) == self.spec.replicas and all(self._is_as_wanted(name, pod) for name, pod in pods.items())

    def _is_safe(self) -> bool:
        """Whether as many acknowledge as should, and no step is to come: those wait for words that agree, which nobody tells by himself."""
        standing, wish = self.standing, Wish.of(self.effective.of(self.instance))
        is_underway = any(name in self.members for name in (*standing.retiring, *standing.passed_over))
        return wish.replicas < 2 or (standing.durable and not is_underway and len(standing.acknowledging) >= wish.acknowledging)

    def _is_as_wanted(self, name: str, pod: Object) -> bool:
        told = self.documents.get(name)
        return told is not None and self.is_well(name, pod) and self.parts.reaching.obeys(self.key, pod, told)
