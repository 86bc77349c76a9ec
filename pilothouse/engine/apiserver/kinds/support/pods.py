"""Every field of a pod's spec with its state. How paths are written: see `table`.

What validation refuses to ephemeral containers whatever the platform (ports, probes, resources: `NOT_FOR_EPHEMERAL`) is not said again.
"""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.pod_validation.volumes import RULES as VOLUME_KINDS
from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert, on_node, refused, unless
from pilothouse.engine.apiserver.kinds.support.table import Table, joined
from pilothouse.model import names, sysctls
from pilothouse.model.json import Object

VOLUMES = (
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "hostPath", "image", "nfs"),
    *("persistentVolumeClaim", "projected", "secret"),
)
HONOURED = """
activeDeadlineSeconds automountServiceAccountToken dnsPolicy enableServiceLinks hostIPC hostNetwork hostPID hostname hostnameOverride
nodeName nodeSelector preemptionPolicy priority priorityClassName
restartPolicy schedulerName serviceAccount
setHostnameAsFQDN serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds
overhead resources.{limits,requests} runtimeClassName
affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].weight
affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].preference.{matchExpressions,matchFields}[].{key,operator,values}
affinity.{podAffinity,podAntiAffinity}.requiredDuringSchedulingIgnoredDuringExecution[].{matchLabelKeys,mismatchLabelKeys,namespaces,topologyKey}
affinity.{podAffinity,podAntiAffinity}.requiredDuringSchedulingIgnoredDuringExecution[].{labelSelector,namespaceSelector}.matchLabels
affinity.{podAffinity,podAntiAffinity}.requiredDuringSchedulingIgnoredDuringExecution[].{labelSelector,namespaceSelector}.matchExpressions[].{key,operator,values}
affinity.{podAffinity,podAntiAffinity}.preferredDuringSchedulingIgnoredDuringExecution[].weight
affinity.{podAffinity,podAntiAffinity}.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.{matchLabelKeys,mismatchLabelKeys,namespaces,topologyKey}
affinity.{podAffinity,podAntiAffinity}.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.{labelSelector,namespaceSelector}.matchLabels
affinity.{podAffinity,podAntiAffinity}.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.{labelSelector,namespaceSelector}.matchExpressions[].{key,operator,values}
affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[].{matchExpressions,matchFields}[].{key,operator,values}
dnsConfig.{nameservers,searches} dnsConfig.options[].{name,value}
hostAliases[].{hostnames,ip} imagePullSecrets[].name readinessGates[].conditionType schedulingGates[].name
topologySpreadConstraints[].{matchLabelKeys,maxSkew,minDomains,nodeAffinityPolicy,nodeTaintsPolicy,topologyKey,whenUnsatisfiable}
topologySpreadConstraints[].labelSelector.matchLabels topologySpreadConstraints[].labelSelector.matchExpressions[].{key,operator,values}
tolerations[].{effect,key,operator,tolerationSeconds,value}
securityContext.{fsGroup,fsGroupChangePolicy,runAsGroup,runAsNonRoot,runAsUser,supplementalGroups} securityContext.sysctls[].{name,value}
securityContext.{appArmorProfile,seccompProfile}.{localhostProfile,type}
*containers[].{args,command,image,imagePullPolicy,name,stdin,stdinOnce,terminationMessagePath,terminationMessagePolicy,tty,workingDir}
*containers[].resizePolicy[].{resourceName,restartPolicy}
*containers[].restartPolicy *containers[].restartPolicyRules[].action *containers[].restartPolicyRules[].exitCodes.{operator,values}
*containers[].env[].{name,value}
*containers[].env[].valueFrom.{configMapKeyRef,secretKeyRef}.{key,name,optional}
*containers[].env[].valueFrom.fileKeyRef.{key,optional,path,volumeName}
*containers[].env[].valueFrom.fieldRef.{apiVersion,fieldPath}
*containers[].env[].valueFrom.resourceFieldRef.{containerName,divisor,resource}
*containers[].envFrom[].prefix *containers[].envFrom[].{configMapRef,secretRef}.{name,optional}
*containers[].lifecycle.stopSignal *containers[].lifecycle.{postStart,preStop}.exec.command
*containers[].lifecycle.{postStart,preStop}.httpGet.{host,path,port,scheme}
*containers[].lifecycle.{postStart,preStop}.httpGet.httpHeaders[].{name,value}
*containers[].lifecycle.{postStart,preStop}.sleep.seconds
*containers[].lifecycle.{postStart,preStop}.tcpSocket.{host,port}
*containers[].{livenessProbe,readinessProbe,startupProbe}.{failureThreshold,initialDelaySeconds,periodSeconds,successThreshold}
*containers[].{livenessProbe,readinessProbe,startupProbe}.{terminationGracePeriodSeconds,timeoutSeconds}
*containers[].{livenessProbe,readinessProbe,startupProbe}.exec.command
*containers[].{livenessProbe,readinessProbe,startupProbe}.grpc.{port,service}
*containers[].{livenessProbe,readinessProbe,startupProbe}.httpGet.{host,path,port,scheme}
*containers[].{livenessProbe,readinessProbe,startupProbe}.httpGet.httpHeaders[].{name,value}
*containers[].{livenessProbe,readinessProbe,startupProbe}.tcpSocket.{host,port}
*containers[].ports[].{containerPort,hostIP,hostPort,name,protocol}
*containers[].resources.{limits,requests}
*containers[].securityContext.{allowPrivilegeEscalation,privileged,readOnlyRootFilesystem,runAsGroup,runAsNonRoot,runAsUser,procMount}
*containers[].securityContext.{appArmorProfile,seccompProfile}.{localhostProfile,type}
*containers[].securityContext.capabilities.{add,drop}
*containers[].volumeMounts[].{mountPath,mountPropagation,name,readOnly,recursiveReadOnly,subPath,subPathExpr}
*containers[].volumeDevices[].{devicePath,name}
ephemeralContainers[].targetContainerName
volumes[].image.{pullPolicy,reference} volumes[].persistentVolumeClaim.{claimName,readOnly} volumes[].ephemeral
volumes[].csi.{driver,fsType,readOnly,volumeAttributes} volumes[].csi.nodePublishSecretRef.name
volumes[].name volumes[].hostPath.{path,type} volumes[].emptyDir.sizeLimit
volumes[].configMap.{defaultMode,name,optional} volumes[].configMap.items[].{key,mode,path}
volumes[].secret.{defaultMode,optional,secretName} volumes[].secret.items[].{key,mode,path}
volumes[].downwardAPI.defaultMode volumes[].downwardAPI.items[].{mode,path}
volumes[].downwardAPI.items[].fieldRef.{apiVersion,fieldPath}
volumes[].downwardAPI.items[].resourceFieldRef.{containerName,divisor,resource}
volumes[].projected.defaultMode
volumes[].projected.sources[].{configMap,secret}.{name,optional} volumes[].projected.sources[].{configMap,secret}.items[].{key,mode,path}
volumes[].projected.sources[].downwardAPI.items[].{mode,path}
volumes[].projected.sources[].downwardAPI.items[].fieldRef.{apiVersion,fieldPath}
volumes[].projected.sources[].downwardAPI.items[].resourceFieldRef.{containerName,divisor,resource}
volumes[].projected.sources[].serviceAccountToken.{audience,expirationSeconds,path}
"""

INERT: Mapping[str, Rule] = {
    "securityContext.windowsOptions": inert("for pods on Windows"),
    "*containers[].securityContext.windowsOptions": inert("for pods on Windows"),
}


def _is_unsafe_sysctl(value: str, holder: Object) -> bool:
    return not sysctls.is_allowed(value)


UNSAFE_SYSCTL = refused(
    f"only sysctls that leave other pods alone can be set: {', '.join(sysctls.SAFE)}; leave this one out, or allow it with "
    "`ph up --allow-sysctls`",
    "others than the safe ones, and those of `ph up --allow-sysctls`",
    _is_unsafe_sysctl,
)


def _is_loopback6(value: str, holder: Object) -> bool:
    address = names.parse_ip(value) if holder.get("hostPort") and ":" in value else None
    return address is not None and address.is_loopback


def _is_sctp_on_host(value: str, holder: Object) -> bool:
    return bool(holder.get("hostPort")) and value == "SCTP"


REFUSED: Mapping[str, Rule] = {
    "os.name": refused("this node runs Linux; leave it out or set it to linux", "`windows`", unless("linux")),
    "resourceClaims": refused("there are no device drivers that claims could be made to; leave it out"),
    "resources.claims": refused("there are no device drivers that claims could be made to; leave it out"),
    "schedulingGroup": refused("pods are placed one by one; leave it out"),
    "securityContext.sysctls[].name": UNSAFE_SYSCTL,
    "*containers[].ports[].hostIP": refused(
        "IPv6 loopback leads into no pod; leave it out or name another address", "`::1`", _is_loopback6
    ),
    "*containers[].ports[].protocol": refused(
        "ports of the node carry TCP and UDP; leave hostPort out or take one of them", "`SCTP` with `hostPort`", _is_sctp_on_host
    ),
    "*containers[].resources.claims": refused("there are no device drivers that claims could be made to; leave it out"),
    "ephemeralContainers[].restartPolicy": refused("it is never started again; leave it out"),
    "volumes[].emptyDir.medium": refused(
        "an emptyDir lies on disk or in memory; leave it out or set it to Memory", "huge pages", unless("Memory")
    ),
    "volumes[].projected.sources[].clusterTrustBundle": refused("there are no trust bundles; mount certificates from a ConfigMap"),
    "volumes[].projected.sources[].podCertificate": refused("no certificates are issued to pods; mount them from a Secret"),
    **{
        f"volumes[].{kind}": refused(f"volumes of this kind cannot be mounted here; use one of {', '.join(VOLUMES)}")
        for kind in VOLUME_KINDS
        if kind not in VOLUMES
    },
}

_SELINUX = on_node(
    "nothing where the kernel has no SELinux, as with every kubelet: there are no labels then; where it has, the pod fails with the reason "
    "SELinuxNotSupported"
)

NODE: Mapping[str, Rule] = {
    "securityContext.seLinuxOptions": _SELINUX,
    "securityContext.seLinuxChangePolicy": _SELINUX,
    "*containers[].securityContext.seLinuxOptions": _SELINUX,
    "hostUsers": on_node(
        "containerd 1.7 with runc 1.1, or later ones, and file systems that can be mounted with other ids; the pod waits on other nodes, "
        "and an event of the reason FailedCreatePodSandBox says why",
        "`false`",
    ),
    "volumes[].nfs": on_node(
        "mount.nfs (nfs-common) and a kernel that knows NFS; the pod waits on other nodes, and an event of the reason FailedMount says why"
    ),
    "securityContext.supplementalGroupsPolicy": on_node(
        "containerd 2.0; the pod fails on other nodes with the reason SupplementalGroupsPolicyNotSupported", "`Strict`"
    ),
}

PODS = Table(HONOURED, joined(INERT, NODE, REFUSED))
