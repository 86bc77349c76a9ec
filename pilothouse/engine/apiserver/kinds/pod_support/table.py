"""Every field of a pod's spec with its state.

A path names a leaf of the schema, or with REFUSED, WARNED and INERT all that lies below it. `*containers[]` stands for `containers[]` and
`initContainers[]`; `{a,b}` for both; `[name]` at the end for one entry of a map.
"""

import re
from collections.abc import Iterator, Mapping

from pilothouse.engine.apiserver.kinds.pod_support.rule import Rule, State, is_given, unless
from pilothouse.engine.apiserver.kinds.pod_validation.volumes import RULES as VOLUME_KINDS
from pilothouse.model import names
from pilothouse.model.json import Object

VOLUMES = ("configMap", "downwardAPI", "emptyDir", "hostPath", "projected", "secret")
SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
"""Namespaced, and without effect on other pods. Source: kubelet/sysctl/safe_sysctls.go."""
_GROUP = re.compile(r"\{([^{}]*)\}")

HONOURED = """
activeDeadlineSeconds automountServiceAccountToken dnsPolicy enableServiceLinks hostIPC hostNetwork hostPID hostname nodeName nodeSelector
restartPolicy schedulerName serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds
overhead runtimeClassName
affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].weight
affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].preference.{matchExpressions,matchFields}[].{key,operator,values}
affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[].{matchExpressions,matchFields}[].{key,operator,values}
dnsConfig.{nameservers,searches} dnsConfig.options[].{name,value}
hostAliases[].{hostnames,ip} imagePullSecrets[].name readinessGates[].conditionType schedulingGates[].name
tolerations[].{effect,key,operator,tolerationSeconds,value}
securityContext.{fsGroup,runAsGroup,runAsNonRoot,runAsUser,supplementalGroups} securityContext.sysctls[].{name,value}
securityContext.{appArmorProfile,seccompProfile}.{localhostProfile,type}
*containers[].{args,command,image,imagePullPolicy,name,stdin,stdinOnce,terminationMessagePath,terminationMessagePolicy,tty,workingDir}
*containers[].env[].{name,value}
*containers[].env[].valueFrom.{configMapKeyRef,secretKeyRef}.{key,name,optional}
*containers[].env[].valueFrom.fieldRef.{apiVersion,fieldPath}
*containers[].env[].valueFrom.resourceFieldRef.{containerName,divisor,resource}
*containers[].envFrom[].prefix *containers[].envFrom[].{configMapRef,secretRef}.{name,optional}
*containers[].lifecycle.{postStart,preStop}.exec.command
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
*containers[].securityContext.{allowPrivilegeEscalation,privileged,readOnlyRootFilesystem,runAsGroup,runAsNonRoot,runAsUser}
*containers[].securityContext.{appArmorProfile,seccompProfile}.{localhostProfile,type}
*containers[].securityContext.capabilities.{add,drop}
*containers[].volumeMounts[].{mountPath,mountPropagation,name,readOnly,subPath,subPathExpr}
volumes[].name volumes[].hostPath.{path,type}
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

INERT: Mapping[str, str] = {
    "priority": "what priorityClassName amounts to; pods are placed in the order in which they come",
    "preemptionPolicy": "no pod is evicted for the sake of another",
    "securityContext.fsGroupChangePolicy": "volumes that take fsGroup are made with it; there is nothing to change afterwards",
    "securityContext.windowsOptions": "for pods on Windows",
    "*containers[].securityContext.windowsOptions": "for pods on Windows",
    "*containers[].resizePolicy": "resources of a running pod cannot be changed, so nothing follows from it",
}

WARNED: Mapping[str, Rule] = {
    "affinity.podAffinity": Rule(State.WARNED, "not carried out: pods are placed without regard to where other pods are", "", is_given),
    "affinity.podAntiAffinity": Rule(State.WARNED, "not carried out: pods are placed without regard to where other pods are", "", is_given),
    "topologySpreadConstraints": Rule(State.WARNED, "not carried out: pods are not spread over topologies", "", is_given),
    "priorityClassName": Rule(State.WARNED, "not carried out: no pod waits for or makes way for another", "", is_given),
    "*containers[].resources.limits[ephemeral-storage]": Rule(
        State.WARNED, "not carried out: nothing limits what is written", "", is_given
    ),
    "volumes[].emptyDir.sizeLimit": Rule(
        State.WARNED,
        "not carried out on disk; a limit is kept with medium Memory",
        "without medium Memory",
        lambda value, holder: is_given(value, holder) and holder.get("medium") != "Memory",
    ),
}


def _refused(note: str, shown: str = "", asks: object = is_given) -> Rule:
    assert callable(asks)
    return Rule(State.REFUSED, note, shown, asks)


def _is_unsafe_sysctl(value: str, holder: Object) -> bool:
    return value.replace("/", ".") not in SAFE_SYSCTLS


def _is_other_family(value: str, holder: Object) -> bool:
    return bool(holder.get("hostPort")) and ":" in value and names.parse_ip(value) is not None


def _is_sctp_on_host(value: str, holder: Object) -> bool:
    return bool(holder.get("hostPort")) and value == "SCTP"


_SELINUX = "SELinux labels are not applied here; leave it out"
_RESTART = "a container of this kind follows the pod's restartPolicy; leave it out"

REFUSED: Mapping[str, Rule] = {
    "ephemeralContainers": Rule(State.REFUSED, "containers cannot be added to a running pod; use kubectl exec"),
    "hostUsers": _refused("pods have no user namespaces of their own here; leave it out", "`false`", unless(True)),
    "hostnameOverride": _refused("the host name is that of the pod; set hostname instead"),
    "os.name": _refused("this node runs Linux; leave it out or set it to linux", "`windows`", unless("linux")),
    "resourceClaims": _refused("there are no device drivers that claims could be made to; leave it out"),
    "resources": _refused("resources are given to containers, not to the pod as a whole; set them on its containers"),
    "schedulingGroup": _refused("pods are placed one by one; leave it out"),
    "setHostnameAsFQDN": _refused("the host name is the pod's short name; leave it out", "`true`", unless(False)),
    "securityContext.seLinuxOptions": _refused(_SELINUX),
    "securityContext.seLinuxChangePolicy": _refused(_SELINUX),
    "securityContext.supplementalGroupsPolicy": _refused(
        "groups that the image gives its user are always merged; set it to Merge or leave it out", "`Strict`", unless("Merge")
    ),
    "securityContext.sysctls[].name": _refused(
        f"only sysctls that leave other pods alone can be set: {', '.join(SAFE_SYSCTLS)}; leave this one out or set it on the node",
        "others than the safe ones",
        _is_unsafe_sysctl,
    ),
    "*containers[].env[].valueFrom.fileKeyRef": _refused("variables cannot come from files; use configMapKeyRef or secretKeyRef"),
    "*containers[].lifecycle.stopSignal": _refused("a container is ended with the signal of its image; set STOPSIGNAL in the image"),
    "*containers[].ports[].hostIP": _refused("ports of the node are IPv4; leave it out or name an IPv4 address", "IPv6", _is_other_family),
    "*containers[].ports[].protocol": _refused(
        "ports of the node carry TCP and UDP; leave hostPort out or take one of them", "`SCTP` with `hostPort`", _is_sctp_on_host
    ),
    "*containers[].resources.claims": _refused("there are no device drivers that claims could be made to; leave it out"),
    "containers[].restartPolicy": _refused(_RESTART),
    "initContainers[].restartPolicy": _refused(
        "an init container is a sidecar with Always, and otherwise follows the pod; set it to Always or leave it out",
        "others than `Always`",
        unless("Always"),
    ),
    "*containers[].restartPolicyRules": _refused(_RESTART),
    "*containers[].securityContext.procMount": _refused(
        "pods have no user namespaces that could stand behind an open /proc; set it to Default or leave it out",
        "`Unmasked`",
        unless("Default"),
    ),
    "*containers[].securityContext.seLinuxOptions": _refused(_SELINUX),
    "*containers[].volumeDevices": _refused("there are no block devices to give to pods; mount a volume instead"),
    "*containers[].volumeMounts[].recursiveReadOnly": _refused(
        "mounts below a volume stay as they are; set it to IfPossible or leave it out", "`Enabled`", unless("Disabled", "IfPossible")
    ),
    "volumes[].emptyDir.medium": _refused(
        "an emptyDir lies on disk or in memory; leave it out or set it to Memory", "huge pages", unless("Memory")
    ),
    "volumes[].projected.sources[].clusterTrustBundle": _refused("there are no trust bundles; mount certificates from a ConfigMap"),
    "volumes[].projected.sources[].podCertificate": _refused("no certificates are issued to pods; mount them from a Secret"),
    **{
        f"volumes[].{kind}": _refused(f"volumes of this kind cannot be mounted here; use one of {', '.join(VOLUMES)}")
        for kind in VOLUME_KINDS
        if kind not in VOLUMES
    },
}


def entries() -> Iterator[tuple[str, Rule]]:
    """Every path of the table, groups in braces written out, with its rule."""
    for pattern in HONOURED.split():
        yield from ((path, Rule(State.HONOURED)) for path in spread(pattern))
    yield from ((path, Rule(State.INERT, note)) for path, note in INERT.items())
    yield from WARNED.items()
    yield from REFUSED.items()


def spread(pattern: str) -> list[str]:
    found = _GROUP.search(pattern)
    if found is None:
        return [pattern]
    return [path for each in found[1].split(",") for path in spread(pattern[: found.start()] + each + pattern[found.end() :])]
