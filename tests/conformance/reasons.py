"""Why a spec cannot pass here, spec by spec as a person found out; a failed spec without an entry is shown as not explained.

REMOVED: upstream took the API or the behaviour away before the version that we serve, so no newer Kubernetes passes it either.
MACHINE: needs what a machine without a cloud or the public Internet has not, or tests the harness's own stand-ins.
OURS: we do it differently or not at all.
"""

import re
from dataclasses import dataclass

REMOVED, MACHINE, OURS = "removed upstream", "machine", "ours"


@dataclass(frozen=True, slots=True)
class Reason:
    """pattern: found in the spec's name. why: a sentence, with the version for what was removed."""

    pattern: str
    kind: str
    why: str


REASONS: list[Reason] = [
    Reason(
        r"Events API should ensure that an event can be fetched, patched",
        REMOVED,
        "it patches the note of an event through events.k8s.io, which is immutable since 1.21 (the spec of 1.21 patches the series).",
    ),
    Reason(
        r"ServiceAccounts should (ensure a single API token|mount an API token|allow opting out)",
        REMOVED,
        "it waits for the Secret with a token of an account, which is not made by itself since 1.24.",
    ),
    Reason(
        r"Daemon set \[Serial\] should update pod when spec was updated and update strategy is RollingUpdate",
        REMOVED,
        "it compares the bytes of a ControllerRevision with what 1.20's types give (`creationTimestamp: null`), which 1.36 does not write.",
    ),
    Reason(r"DisruptionController", REMOVED, "it uses policy/v1beta1, which went in 1.25."),
    Reason(r"CronJob|cronjob|cronJobs", REMOVED, "it uses batch/v1beta1, which went in 1.25."),
    Reason(r"PodSecurityPolicy|Metadata Concealment", REMOVED, "PodSecurityPolicy went in 1.25."),
    Reason(
        r"health handlers should contain necessary checks",
        OURS,
        "the checks of /healthz, /livez and /readyz are named after this server's own parts, not after kube-apiserver's hooks.",
    ),
    Reason(r"MetricsGrabber", OURS, "scheduler and controllers are no pods of kube-system, where the spec looks for them."),
    Reason(
        r"EndpointSlice should (create and delete |create |have )Endpoints|EndpointSliceMirroring should mirror",
        REMOVED,
        "it asks for EndpointSlices of discovery.k8s.io/v1beta1, which went in 1.25.",
    ),
    Reason(
        r"should create a Pod with SCTP HostPort",
        OURS,
        "ports of the node carry TCP and UDP alone; and the spec looks for them in the rules of iptables, which nodes do not use.",
    ),
    Reason(r"\[Feature:SCTP(Connectivity)?\]", MACHINE, "the kernel of the machine has no sockets of SCTP."),
    Reason(
        r"ClusterDns \[Feature:Example\]",
        MACHINE,
        "it applies manifests of the repository kubernetes/examples, which the sources have not.",
    ),
    Reason(r"provide Internet connection", MACHINE, "it asks a server of the public Internet."),
    Reason(r"should proxy logs on node", OURS, "the node does not show its machine's log files (/logs) to who may proxy to it."),
    Reason(
        r"should create service with ipv(4,v6|6,v4) cluster ip",
        REMOVED,
        "it names two ipFamilies without an ipFamilyPolicy, which is SingleStack then and refused since 1.23.",
    ),
    Reason(
        r"Networking should provide unchanging, static URL paths",
        OURS,
        "it asks the API server for /logs, and this one does not show its machine's log files; the other paths of the spec are served.",
    ),
    Reason(
        r"Networking should check kube-proxy urls",
        OURS,
        "health and metrics of the service proxy are the node's (port 10250, for who may); nobody answers on kube-proxy's 10249 and 10256.",
    ),
    Reason(
        r"Services should implement service.kubernetes.io/headless",
        REMOVED,
        "it labels Services; kube-proxy has come to follow the label of EndpointSlices alone, and so does this service proxy.",
    ),
    Reason(
        r"DNS configMap nameserver",
        OURS,
        "it looks for pods of kube-dns, and names are answered by the nodes' own processes; the Corefile is where it looks for it.",
    ),
    Reason(
        r"should prevent Ingress creation if more than 1 IngressClass marked as default",
        REMOVED,
        "several default IngressClasses have come to be allowed, of which the youngest counts.",
    ),
    Reason(r"Ingress API", REMOVED, "it uses networking.k8s.io/v1beta1, which went in 1.22."),
    Reason(r"private image|private registry|invalid registry", MACHINE, "it pulls from a registry of the public Internet."),
]


def reason_of(spec: str) -> Reason | None:
    return next((each for each in REASONS if re.search(each.pattern, spec)), None)
