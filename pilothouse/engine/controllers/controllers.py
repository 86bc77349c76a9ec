"""The controllers of the engine, on one set of caches."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.parts import Runnable
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.attachdetach.controller import AttachDetachController
from pilothouse.engine.controllers.bootstrap.signer import BootstrapSigner
from pilothouse.engine.controllers.bootstrap.token_cleaner import TokenCleaner
from pilothouse.engine.controllers.certificates.approver import CertificateApprover
from pilothouse.engine.controllers.certificates.cleaner import CertificateCleaner
from pilothouse.engine.controllers.certificates.signer import Authority, CertificateSigner
from pilothouse.engine.controllers.clusternetwork.controller import ClusterNetworkController
from pilothouse.engine.controllers.clusterpolicy.controller import ClusterPolicyKind
from pilothouse.engine.controllers.clusterpolicy.refusals import PolicyRefusals
from pilothouse.engine.controllers.cronjob.controller import CronJobController
from pilothouse.engine.controllers.csi.attacher import Attacher
from pilothouse.engine.controllers.csi.capacity import CapacityReporter
from pilothouse.engine.controllers.csi.drivers import DriverCalls, Drivers
from pilothouse.engine.controllers.csi.modifier import Modifier
from pilothouse.engine.controllers.csi.provisioner import Provisioner
from pilothouse.engine.controllers.csi.reclaimer import Reclaimer
from pilothouse.engine.controllers.csi.resizer import Resizer
from pilothouse.engine.controllers.csi.snapshotter import SnapshotDrivers
from pilothouse.engine.controllers.daemonset.controller import DaemonSetController
from pilothouse.engine.controllers.deployment.controller import DeploymentController
from pilothouse.engine.controllers.disruption.controller import DisruptionController
from pilothouse.engine.controllers.endpoints.controller import EndpointsController
from pilothouse.engine.controllers.endpointslice.controller import EndpointSliceController
from pilothouse.engine.controllers.endpointslicemirroring.controller import EndpointSliceMirroringController
from pilothouse.engine.controllers.garbage.collector import GarbageCollector
from pilothouse.engine.controllers.ipam.controller import NodeIPAMController
from pilothouse.engine.controllers.ipam.ranges import PodRanges
from pilothouse.engine.controllers.job.controller import JobController
from pilothouse.engine.controllers.loadbalancer.controller import LoadBalancerController
from pilothouse.engine.controllers.namespace.controller import NamespaceController
from pilothouse.engine.controllers.node.controller import NodeLifecycleController
from pilothouse.engine.controllers.persistentvolume.attributes import AttributesController
from pilothouse.engine.controllers.persistentvolume.clones import CloneProtection
from pilothouse.engine.controllers.persistentvolume.controller import PersistentVolumeController
from pilothouse.engine.controllers.persistentvolume.ephemeral import EphemeralVolumeController
from pilothouse.engine.controllers.persistentvolume.expansion import ExpandController
from pilothouse.engine.controllers.persistentvolume.nodes import NodeVolumes
from pilothouse.engine.controllers.persistentvolume.orphans import OrphanedVolumes
from pilothouse.engine.controllers.persistentvolume.protection import AttributesClassProtection, ClaimProtection, VolumeProtection
from pilothouse.engine.controllers.podautoscaler.controller import SYNC_S, HorizontalPodAutoscalerController
from pilothouse.engine.controllers.podgc.controller import PodGarbageCollector
from pilothouse.engine.controllers.replicaset.controller import ReplicaSetController
from pilothouse.engine.controllers.replicaset.family import REPLICATION_CONTROLLERS
from pilothouse.engine.controllers.serviceaccount import ServiceAccountController
from pilothouse.engine.controllers.simulation.controller import SimulatedNodesController
from pilothouse.engine.controllers.snapshot.controller import SnapshotController
from pilothouse.engine.controllers.snapshot.local import LocalSnapshotDriver
from pilothouse.engine.controllers.statefulset.controller import StatefulSetController
from pilothouse.model.volumes import LOCAL_PROVISIONER

Clients = Callable[[str], Client]
"""A client for the name of a service account in kube-system: that of a controller of upstream's, or of a part of one that has its own."""


def makers(
    clients: Clients,
    informers: Informers,
    recorder: Recorder,
    *,
    root_ca: str = "",
    authority: Authority | None = None,
    pod_ranges: Sequence[PodRanges] = (),
    own_addresses: Collection[str] = (),
    own_networks: Collection[str] = (),
    node_volumes: NodeVolumes | None = None,
    driver_calls: DriverCalls | None = None,
    autoscaler_sync_s: float = SYNC_S,
    simulated_nodes: int | None = None,
    clock: Callable[[], float] = time.time,
) -> dict[str, Callable[[], Runnable]]:
    """Name -> how to build that controller. informers, recorder: run by the caller, after all are built once.

    Each controller writes as itself and may write what its role says; all read from `informers`, and speak through `recorder`.
    root_ca: PEM text that every namespace gets as `kube-root-ca.crt`. authority: signs certificates; None for nobody who does.
    pod_ranges: what nodes are given of each pod network; none for nothing. own_addresses: those of the API
    server, which no node may serve under. own_networks: of pods and Services, where no address pool may lie. node_volumes: has nodes
    make volumes; driver_calls: reaches CSI drivers at nodes; None for nobody who does. autoscaler_sync_s: how often each autoscaler
    looks at its metrics. simulated_nodes: how many there are to be; None for nobody who looks after any.
    """
    named = recorder.named
    accounts, publisher = clients("service-account-controller"), clients("root-ca-cert-publisher")
    certificates = clients("certificate-controller")
    jobs, expiry = clients("job-controller"), clients("ttl-after-finished-controller")
    drivers = Drivers(informers, driver_calls)
    optional: dict[str, Callable[[], Runnable]] = {}
    if authority is not None:
        optional["certificate-signer"] = lambda: CertificateSigner(certificates, informers, named("certificate-signer"), authority, clock)
    if pod_ranges:
        optional["node-ipam-controller"] = lambda: NodeIPAMController(
            clients("node-controller"), informers, named("node-ipam-controller"), pod_ranges
        )
    if simulated_nodes is not None:
        count = simulated_nodes
        optional["simulated-nodes"] = lambda: SimulatedNodesController(clients("simulated-nodes"), informers, count, clock)
    return optional | {
        "certificate-approver": lambda: CertificateApprover(certificates, informers, named("certificate-approver"), clock, own_addresses),
        "token-cleaner": lambda: TokenCleaner(clients("token-cleaner"), informers, named("token-cleaner"), clock),
        "bootstrap-signer": lambda: BootstrapSigner(clients("bootstrap-signer"), informers, clock),
        "certificate-cleaner": lambda: CertificateCleaner(certificates, informers, named("certificate-cleaner"), clock),
        "serviceaccount-controller": lambda: ServiceAccountController(
            accounts, publisher, informers, named("serviceaccount-controller"), root_ca
        ),
        "load-balancer-controller": lambda: LoadBalancerController(
            clients("load-balancer-controller"), informers, named("load-balancer-controller"), own_networks, clock
        ),
        "network-policy-reporter": lambda: PolicyRefusals(clients("network-policy-reporter"), informers, clock),
        "cluster-policy-controller": lambda: ClusterPolicyKind(clients("cluster-policy-controller"), informers, clock),
        "cluster-network-controller": lambda: ClusterNetworkController(clients("cluster-network-controller"), informers, clock),
        "namespace-controller": lambda: NamespaceController(
            clients("namespace-controller"), informers, named("namespace-controller"), clock
        ),
        "deployment-controller": lambda: DeploymentController(
            clients("deployment-controller"), informers, named("deployment-controller"), clock
        ),
        "replicaset-controller": lambda: ReplicaSetController(
            clients("replicaset-controller"), informers, named("replicaset-controller"), clock
        ),
        "replication-controller": lambda: ReplicaSetController(
            clients("replication-controller"), informers, named("replication-controller"), clock, REPLICATION_CONTROLLERS
        ),
        "statefulset-controller": lambda: StatefulSetController(
            clients("statefulset-controller"), informers, named("statefulset-controller"), clock
        ),
        "daemonset-controller": lambda: DaemonSetController(
            clients("daemon-set-controller"), informers, named("daemonset-controller"), clock
        ),
        "horizontal-pod-autoscaler": lambda: HorizontalPodAutoscalerController(
            clients("horizontal-pod-autoscaler"), informers, named("horizontal-pod-autoscaler"), clock, autoscaler_sync_s
        ),
        "job-controller": lambda: JobController(jobs, expiry, informers, named("job-controller"), clock),
        "cronjob-controller": lambda: CronJobController(clients("cronjob-controller"), informers, named("cronjob-controller"), clock),
        "disruption-controller": lambda: DisruptionController(
            clients("disruption-controller"), informers, named("disruption-controller"), clock
        ),
        "endpoint-slice-controller": lambda: EndpointSliceController(
            clients("endpointslice-controller"), informers, named("endpoint-slice-controller")
        ),
        "endpoint-slice-mirroring-controller": lambda: EndpointSliceMirroringController(
            clients("endpointslicemirroring-controller"), informers, named("endpoint-slice-mirroring-controller")
        ),
        "endpoint-controller": lambda: EndpointsController(clients("endpoint-controller"), informers, named("endpoint-controller")),
        "persistentvolume-binder-controller": lambda: PersistentVolumeController(
            clients("persistent-volume-binder"), informers, named("persistentvolume-controller"), node_volumes
        ),
        "persistentvolume-expander-controller": lambda: ExpandController(
            clients("expand-controller"), informers, named("volume_expand"), node_volumes, clock
        ),
        "volume-attributes-controller": lambda: AttributesController(
            clients("expand-controller"), informers, named("volume_attributes"), node_volumes, clock
        ),
        "persistentvolume-attach-detach-controller": lambda: AttachDetachController(
            clients("attachdetach-controller"), informers, named("attachdetach-controller"), clock
        ),
        "csi-attacher": lambda: Attacher(clients("csi-attacher"), informers, drivers, clock),
        "csi-provisioner": lambda: Provisioner(clients("csi-provisioner"), informers, named("csi-provisioner"), drivers),
        "csi-resizer": lambda: Resizer(clients("csi-resizer"), informers, named("csi-resizer"), drivers, clock),
        "csi-reclaimer": lambda: Reclaimer(clients("csi-provisioner"), informers, named("csi-provisioner"), drivers),
        "csi-capacity": lambda: CapacityReporter(clients("csi-provisioner"), informers, named("csi-provisioner"), drivers),
        "csi-modifier": lambda: Modifier(clients("csi-resizer"), informers, named("csi-resizer"), drivers, clock),
        "volumeattributesclass-protection-controller": lambda: AttributesClassProtection(
            clients("volumeattributesclass-protection-controller"), informers
        ),
        "persistentvolumeclaim-protection-controller": lambda: ClaimProtection(clients("pvc-protection-controller"), informers),
        "persistentvolume-protection-controller": lambda: VolumeProtection(clients("pv-protection-controller"), informers),
        "volume-snapshot-controller": lambda: SnapshotController(
            clients("snapshot-controller"),
            informers,
            named("snapshot-controller"),
            SnapshotDrivers(
                clients("csi-snapshotter"),
                informers,
                drivers,
                {} if node_volumes is None else {LOCAL_PROVISIONER: LocalSnapshotDriver(node_volumes)},
            ),
            clock,
        ),
        "clone-protection-controller": lambda: CloneProtection(clients("persistent-volume-binder"), informers),
        "orphaned-volume-controller": lambda: OrphanedVolumes(informers, named("persistentvolume-controller"), node_volumes),
        "ephemeral-volume-controller": lambda: EphemeralVolumeController(
            clients("ephemeral-volume-controller"), informers, named("ephemeral_volume")
        ),
        "node-controller": lambda: NodeLifecycleController(clients("node-controller"), informers, named("node-controller"), clock),
        "pod-garbage-collector": lambda: PodGarbageCollector(
            clients("pod-garbage-collector"), informers, named("pod-garbage-collector"), clock
        ),
        "garbage-collector": lambda: GarbageCollector(
            clients("generic-garbage-collector"), informers, named("garbage-collector-controller")
        ),
    }


class Controllers:
    """All of them as one component, for where they need not fail alone."""

    def __init__(
        self,
        clients: Clients,
        informers: Informers,
        recorder: Recorder,
        *,
        root_ca: str = "",
        authority: Authority | None = None,
        node_volumes: NodeVolumes | None = None,
        driver_calls: DriverCalls | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        made = makers(
            clients,
            informers,
            recorder,
            root_ca=root_ca,
            authority=authority,
            node_volumes=node_volumes,
            driver_calls=driver_calls,
            clock=clock,
        )
        self._controllers = {name: make() for name, make in made.items()}

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Until cancelled; ready: when each has its caches and works."""
        async with scope() as tasks:
            for name, controller in self._controllers.items():
                await tasks.start(controller.run, name=name)
            if ready is not None:
                ready.set()
