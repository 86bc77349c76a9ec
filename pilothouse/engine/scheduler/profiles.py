"""The profiles by the names under which pods ask for them: each has plug-ins of its own, all work on one snapshot."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.scheduler.config.types import ProfileConfig, SchedulerConfig
from pilothouse.engine.scheduler.cycle import Cycle
from pilothouse.engine.scheduler.framework.plugin import Plugin
from pilothouse.engine.scheduler.placing import Placing
from pilothouse.engine.scheduler.plugins.default_binder import DefaultBinder
from pilothouse.engine.scheduler.plugins.default_preemption import DefaultPreemption
from pilothouse.engine.scheduler.plugins.default_preemption.plugin import budgets_of
from pilothouse.engine.scheduler.plugins.pod_topology_spread.owners import Owners
from pilothouse.engine.scheduler.profile import profile
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.scheduling import DEFAULT_SCHEDULER

OPTIONAL_OWNERS = (kinds.REPLICATIONCONTROLLERS, kinds.STATEFULSETS)


@dataclass(frozen=True, slots=True)
class Track:
    """The way of a profile's pods. recorder: speaks under the profile's name."""

    cycle: Cycle
    placing: Placing
    recorder: Recorder


class Profiles:
    """volumes: the plug-ins that look at claims, none where claims are not served. served: see `Scheduler`."""

    def __init__(
        self,
        config: SchedulerConfig,
        snapshot: Snapshot,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        volumes: Sequence[Plugin],
        served: Container[Resource],
    ) -> None:
        self._snapshot = snapshot
        self._client = client
        self._recorder = recorder
        self._volumes = volumes
        self._pods = informers.of(kinds.PODS)
        self._budgets = informers.of(kinds.PODDISRUPTIONBUDGETS) if kinds.PODDISRUPTIONBUDGETS in served else None
        controllers = [kinds.REPLICASETS, *(each for each in OPTIONAL_OWNERS if each in served)]
        self._owners = Owners(informers.of(kinds.SERVICES), {each.kind: informers.of(each) for each in controllers})
        self._tracks = {each.name: self._track(each) for each in config.profiles}

    @property
    def tracks(self) -> Iterable[tuple[str, Track]]:
        """With the names of their profiles."""
        return self._tracks.items()

    def of(self, name: str) -> Track:
        """Of a profile that there is."""
        return self._tracks[name]

    def is_to_place(self, pod: Object) -> bool:
        """Whether the pod is one of these profiles', and nothing holds it back."""
        track = self._tracks.get(pod["spec"].get("schedulerName") or DEFAULT_SCHEDULER)
        return track is not None and all(each.pre_enqueue(pod) is None for each in track.cycle.profile.pre_enqueues)

    def _track(self, config: ProfileConfig) -> Track:
        recorder = self._recorder.named(config.name)
        preemption = DefaultPreemption(
            self._snapshot,
            lambda pod, node: cycle.trial(pod, node),
            lambda: [] if self._budgets is None else budgets_of(self._budgets.items()),
            self._pods.get,
            self._client,
            recorder,
            config.args.preemption,
        )
        edges = (*self._volumes, preemption, DefaultBinder(self._client))
        cycle = Cycle(profile(config, self._snapshot.labels_of, self._owners.selector, *edges), self._snapshot)
        return Track(cycle, Placing(cycle.profile, self._snapshot), recorder)
