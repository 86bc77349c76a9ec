"""Every field of claims, volumes and storage classes with its state. How paths are written: see `table`."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.storage.volume_sources import RULES as SOURCES
from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert, is_given, on_node, refused
from pilothouse.engine.apiserver.kinds.support.table import Table, joined

MOUNTED = ("hostPath", "local", "nfs", "csi")
_OF_PROVISIONERS = "for the provisioner of the class; the one of class `local` says in an event of the claim that it does not take it"

CLAIMS = Table(
    """
spec.{accessModes,storageClassName,volumeAttributesClassName,volumeMode,volumeName}
spec.selector.matchLabels spec.selector.matchExpressions[].{key,operator,values}
spec.resources.requests status spec.dataSource.{apiGroup,kind,name} spec.dataSourceRef.{apiGroup,kind,name,namespace}
""",
    joined(
        {
            "spec.resources.limits": inert("a volume is as large as was requested, and no larger"),
        }
    ),
)

_VOLUME_RULES: Mapping[str, Rule] = {
    "spec.local.fsType": inert("of file systems on block devices, which are not mounted here"),
    "spec.mountOptions": refused(
        "volumes of these kinds are folders of nodes, mounted as they are; leave it out",
        "with hostPath or local",
        lambda value, holder: is_given(value, holder) and any(holder.get(kind) is not None for kind in ("hostPath", "local")),
    ),
    "spec.nfs": on_node(
        "mount.nfs (nfs-common) and a kernel that knows NFS; pods wait on other nodes, and an event of the reason FailedMount says why"
    ),
    "spec.persistentVolumeReclaimPolicy": refused(
        "nobody empties volumes here; take Retain or Delete", "`Recycle`", lambda value, holder: value == "Recycle"
    ),
    **{
        f"spec.{kind}": refused(f"volumes of this kind cannot be mounted here; use one of {', '.join(MOUNTED)}")
        for kind in SOURCES
        if kind not in MOUNTED
    },
}

VOLUMES = Table(
    """
spec.{accessModes,capacity,persistentVolumeReclaimPolicy,storageClassName,volumeAttributesClassName,volumeMode} spec.claimRef
spec.hostPath.{path,type} spec.local.path
spec.csi.{driver,volumeHandle,fsType,readOnly,volumeAttributes}
spec.csi.{controllerPublishSecretRef,controllerExpandSecretRef,nodeStageSecretRef,nodePublishSecretRef,nodeExpandSecretRef}.{name,namespace}
spec.nodeAffinity.required.nodeSelectorTerms[].{matchExpressions,matchFields}[].{key,operator,values} status
""",
    joined(_VOLUME_RULES),
)

CLASSES = Table(
    """
allowVolumeExpansion provisioner reclaimPolicy volumeBindingMode allowedTopologies[].matchLabelExpressions[].{key,values}
""",
    joined({"mountOptions": inert(_OF_PROVISIONERS), "parameters": inert(_OF_PROVISIONERS)}),
)
