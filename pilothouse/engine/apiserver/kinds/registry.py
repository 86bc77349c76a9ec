"""Every built-in kind under its group resource (`pods`, `deployments.apps`)."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds import (
    apiservices,
    certificates,
    cluster,
    componentstatuses,
    coordination,
    data,
    disruption_budgets,
    endpoints,
    events,
    ingresses,
    network_policies,
    pods,
    quotas,
    rbac,
    resource_metrics,
    runtime_classes,
    service_networks,
    services,
)
from pilothouse.engine.apiserver.kinds.autoscaling import autoscalers
from pilothouse.engine.apiserver.kinds.crd.definition import CRD
from pilothouse.engine.apiserver.kinds.jobs import cronjobs, jobs
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.reviews import REVIEWS
from pilothouse.engine.apiserver.kinds.storage.attribute_classes import VOLUMEATTRIBUTESCLASS
from pilothouse.engine.apiserver.kinds.storage.claims import PERSISTENTVOLUMECLAIM
from pilothouse.engine.apiserver.kinds.storage.classes import STORAGECLASS
from pilothouse.engine.apiserver.kinds.storage.csi.attachments import VOLUMEATTACHMENT
from pilothouse.engine.apiserver.kinds.storage.csi.capacities import CSISTORAGECAPACITY
from pilothouse.engine.apiserver.kinds.storage.csi.drivers import CSIDRIVER
from pilothouse.engine.apiserver.kinds.storage.csi.nodes import CSINODE
from pilothouse.engine.apiserver.kinds.storage.volumes import PERSISTENTVOLUME
from pilothouse.engine.apiserver.kinds.webhooks.configuration import MUTATING, VALIDATING
from pilothouse.engine.apiserver.kinds.workloads import daemonsets, deployments, replication_controllers, statefulsets

_KINDS: tuple[Kind, ...] = (
    pods.POD,
    services.SERVICE,
    cluster.NAMESPACE,
    cluster.NODE,
    data.CONFIGMAP,
    data.SECRET,
    data.SERVICEACCOUNT,
    events.EVENT,
    endpoints.ENDPOINTS,
    quotas.RESOURCEQUOTA,
    quotas.LIMITRANGE,
    pods.PODTEMPLATE,
    pods.BINDING,
    replication_controllers.REPLICATIONCONTROLLER,
    componentstatuses.COMPONENTSTATUS,
    PERSISTENTVOLUME,
    PERSISTENTVOLUMECLAIM,
    deployments.DEPLOYMENT,
    deployments.REPLICASET,
    statefulsets.STATEFULSET,
    daemonsets.DAEMONSET,
    deployments.CONTROLLERREVISION,
    jobs.JOB,
    cronjobs.CRONJOB,
    autoscalers.HORIZONTALPODAUTOSCALER,
    ingresses.INGRESS,
    ingresses.INGRESSCLASS,
    network_policies.NETWORKPOLICY,
    service_networks.SERVICECIDR,
    service_networks.IPADDRESS,
    endpoints.ENDPOINTSLICE,
    coordination.LEASE,
    events.EVENT_V1,
    coordination.PRIORITYCLASS,
    runtime_classes.RUNTIMECLASS,
    disruption_budgets.PODDISRUPTIONBUDGET,
    STORAGECLASS,
    CSIDRIVER,
    CSINODE,
    VOLUMEATTACHMENT,
    CSISTORAGECAPACITY,
    VOLUMEATTRIBUTESCLASS,
    certificates.CERTIFICATESIGNINGREQUEST,
    rbac.ROLE,
    rbac.ROLEBINDING,
    rbac.CLUSTERROLE,
    rbac.CLUSTERROLEBINDING,
    CRD,
    apiservices.APISERVICE,
    MUTATING,
    VALIDATING,
    resource_metrics.NODEMETRICS,
    resource_metrics.PODMETRICS,
    *REVIEWS,
)
_OTHER_VERSIONS: tuple[Kind, ...] = (autoscalers.HORIZONTALPODAUTOSCALER_V1,)

BUILT_IN: Mapping[str, Kind] = {kind.resource.group_resource: kind for kind in _KINDS}
SERVED: tuple[Kind, ...] = (*_KINDS, *_OTHER_VERSIONS)
"""The same with every version."""
