"""The pod of a build: fetches the source, then runs buildah with the platform's layer cache on the node."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.builds import program
from pilothouse.platform.builds.plan import ATTEMPT, interruptions
from pilothouse.platform.builds.resource import BUILDS

SYSTEM = "pilothouse-system"
"""The namespace of the platform's own objects."""
CONFIG = "pilothouse-config"
"""The ConfigMap in it with what `ph config` has set."""
ENVIRONMENT = "pilothouse-build-environment"
"""The Secret in the build's namespace that carries the host's mirrors, proxies and certificates, without passwords."""
CREDENTIALS = "pilothouse-build-credentials"
"""The Secret with those of them that hold passwords or tokens; in namespaces alone whose builds may have them."""
BUILD = "builds.pilothouse.dev/build"
"""Label of a build's pod: the name of the Build."""
TIMEOUT_S = 1800
SWEEP_S = 1800
_SHARE = {"cpu": "100m", "memory": "128Mi"}
"""Without a request a container gets next to nothing of a busy machine, and somebody waits for the build."""
_AWAY_S = 20
"""How long a build stays on a node that has fallen silent (after 40 s); it is waited for, and begins anew elsewhere."""
_PROGRAM_PATH = "/opt/pilothouse"
_STORAGE_PATH = "/var/lib/containers"
_NOT_READY, _UNREACHABLE, _UNSCHEDULABLE = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
)
_CREDENTIALS_PATH = "/etc/pilothouse-credentials"


@dataclass(frozen=True, slots=True)
class BuilderConfig:
    """image: the builder's. registry: as pods with the host's network reach it. storage: for layers, a folder that each
    node has for itself.

    stand_ins: base images come from the registry's `bases/` because no public registry is in reach. mirror: of docker.io.
    timeout_s: for the steps of builds that name no limit. storage_limit_bytes: of the layers and caches of earlier builds.
    offered: versions of base images by name, for sources without a Dockerfile. architecture: of the builder's image, as Nodes name it,
    "" for one that runs everywhere.
    """

    image: str
    registry: str
    storage: str
    stand_ins: bool
    mirror: str = ""
    timeout_s: int = TIMEOUT_S
    storage_limit_bytes: int = 20 << 30
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """plain, credentials: keys of the Secrets ENVIRONMENT and CREDENTIALS in the build's namespace, none where one is missing."""

    plain: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()

    def proxies(self) -> dict[str, str]:
        """Variable, in both spellings that programs read, -> key of the Secrets."""
        names = {key: key.removeprefix("proxy.") for key in sorted(self.plain | self.credentials) if key.startswith("proxy.")}
        return {spelt: key for key, name in names.items() for spelt in (name.upper(), name.lower())}

    def place(self, key: str) -> str:
        """The Secret to read a key from: in full where the build may."""
        return CREDENTIALS if key in self.credentials else ENVIRONMENT


def pod_name(build: Object) -> str:
    return f"{meta.name(build)}-build"


def build_pod(build: Object, config: BuilderConfig, given: Environment) -> Object:
    """The pod that carries out a Build. Runs privileged: buildah mounts the layers and the steps' root.

    given: what the Secrets of the build's namespace hold.
    """
    owner = meta.owner_reference(build, BUILDS.api_version, BUILDS.kind)
    environment, hidden = _environment(build, config), _hidden(given)
    shared: list[Object] = [
        {"name": "workspace", "mountPath": "/workspace"},
        {"name": "environment", "mountPath": "/etc/pilothouse", "readOnly": True},
        {"name": "program", "mountPath": _PROGRAM_PATH, "readOnly": True},
    ]
    storage: Object = {"name": "storage", "mountPath": _STORAGE_PATH}
    secret: list[Object] = [{"name": "credentials", "mountPath": _CREDENTIALS_PATH, "readOnly": True}] if given.credentials else []
    fetch = ["/bin/sh", "-c", resources.files(__package__).joinpath("source.sh").read_text(), "source"]
    make = ["python3", "-I", f"{_PROGRAM_PATH}/build.pyz", "build"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(build),
            "namespace": meta.namespace(build),
            "labels": {BUILD: meta.name(build), ATTEMPT: str(interruptions(build))},
            "ownerReferences": [owner],
        },
        "spec": {
            "restartPolicy": "Never",
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 2,
            "nodeSelector": _places(config),
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _AWAY_S}
                for key in (_NOT_READY, _UNREACHABLE)
            ],
            "initContainers": [
                _container(
                    "source",
                    fetch,
                    [],
                    config.image,
                    [*_plain(environment | _source(build, config)), *hidden],
                    [*shared, *_git_mounts(build)],
                ),
            ],
            "containers": [
                _container("build", make, _arguments(given), config.image, [*_plain(environment), *hidden], [*shared, storage, *secret])
                | {"securityContext": {"privileged": True}, "resources": {"requests": _SHARE}},
            ],
            "volumes": [
                {"name": "workspace", "emptyDir": {}},
                {"name": "environment", "secret": {"secretName": ENVIRONMENT, "optional": True}},
                {"name": "program", "configMap": {"name": program.name()}},
                {"name": "storage", "hostPath": {"path": config.storage, "type": "DirectoryOrCreate"}},
                *([{"name": "credentials", "secret": {"secretName": CREDENTIALS, "optional": True}}] if given.credentials else []),
                *_git_volumes(build),
            ],
        },
    }


def sweep_pod(name: str, labels: Mapping[str, str], uid: str, node: str, config: BuilderConfig) -> Object:
    """The pod that tidies the builder's store of a node after the build with that uid; on one that is cordoned, too."""
    told = {"BUILD_UID": uid, "STORAGE_LIMIT": str(config.storage_limit_bytes)}
    mounts: list[Object] = [
        {"name": "program", "mountPath": _PROGRAM_PATH, "readOnly": True},
        {"name": "storage", "mountPath": _STORAGE_PATH},
    ]
    command = ["python3", "-I", f"{_PROGRAM_PATH}/build.pyz", "sweep"]
    container = _container("sweep", command, [], config.image, _plain(told), mounts)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SYSTEM, "labels": dict(labels)},
        "spec": {
            "restartPolicy": "Never",
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": SWEEP_S,
            "nodeSelector": {"kubernetes.io/hostname": node},
            "tolerations": [{"key": _UNSCHEDULABLE, "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [container | {"securityContext": {"privileged": True}, "resources": {"requests": _SHARE}}],
            "volumes": [
                {"name": "program", "configMap": {"name": program.name()}},
                {"name": "storage", "hostPath": {"path": config.storage, "type": "DirectoryOrCreate"}},
            ],
        },
    }


def _places(config: BuilderConfig) -> Object:
    """The builder's image runs on machines of one kind alone."""
    return {"kubernetes.io/os": "linux"} | ({"kubernetes.io/arch": config.architecture} if config.architecture else {})


def _container(name: str, command: list[str], args: list[str], image: str, environment: list[Object], mounts: list[Object]) -> Object:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [_escaped(word) for word in command],
        "args": [_escaped(arg) for arg in args],
        "env": environment,
        "volumeMounts": mounts,
    }


def _plain(variables: Mapping[str, str]) -> list[Object]:
    return [{"name": key, "value": _escaped(value)} for key, value in variables.items()]


def _hidden(given: Environment) -> list[Object]:
    """A pod may be read by more people than a Secret."""
    found = {name: {"name": given.place(key), "key": key, "optional": True} for name, key in given.proxies().items()}
    return [{"name": name, "valueFrom": {"secretKeyRef": place}} for name, place in found.items()]


def _escaped(text: str) -> str:
    """`$(NAME)` and `$$` in a container's command, args and env are the node's to expand; a doubled dollar is one."""
    return text.replace("$", "$$")


def _environment(build: Object, config: BuilderConfig) -> dict[str, str]:
    spec = build["spec"]
    return {
        "CONTEXT": spec["source"].get("path", "").strip("/"),
        "DOCKERFILE": spec.get("dockerfile") or "Dockerfile",
        "INLINE": spec.get("inline", ""),
        "TARGET": spec.get("target", ""),
        "IMAGE": spec["image"],
        "REGISTRY": config.registry,
        "STAND_INS": "yes" if config.stand_ins else "",
        "MIRROR": config.mirror,
        "BUILD_UID": meta.uid(build),
        "BUILD_ARGS": json.dumps(spec.get("args") or {}),
        "NO_CACHE": "yes" if spec.get("noCache") else "",
        "TIMEOUT_S": str(spec.get("timeoutSeconds") or config.timeout_s),
        "STORAGE_LIMIT": str(config.storage_limit_bytes),
        "ATTEMPT": str(interruptions(build) or ""),
    }


def _source(build: Object, config: BuilderConfig) -> dict[str, str]:
    source = build["spec"]["source"]
    git, upload = source.get("git") or {}, source.get("upload") or {}
    url = f"http://{config.registry}/v2/{upload['repository']}/blobs/{upload['digest']}" if upload else ""
    offer = json.dumps({"versions": config.offered, "exact": config.stand_ins})
    return {"GIT_URL": git.get("url", ""), "GIT_REVISION": git.get("revision", ""), "SOURCE_URL": url, "OFFER": offer}


def _git_volumes(build: Object) -> list[Object]:
    """The Secret with a private repository's credentials; the container that fetches the source alone mounts it."""
    name = (build["spec"]["source"].get("git") or {}).get("secret")
    return [{"name": "git", "secret": {"secretName": name, "defaultMode": 0o400}}] if name else []


def _git_mounts(build: Object) -> list[Object]:
    return [{"name": each["name"], "mountPath": "/etc/pilothouse-git", "readOnly": True} for each in _git_volumes(build)]


def _arguments(given: Environment) -> list[str]:
    """The proxies reach the steps as build arguments, which do not stay in the image; buildah takes the values from its environment."""
    return [word for name in given.proxies() for word in ("--build-arg", name)]
