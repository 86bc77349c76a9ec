"""From a file to the pod that it asks for, as the node knows it. Pure.

Source: kubelet/config (applyDefaults of files).
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from pilothouse.model import names
from pilothouse.model.body import SyntaxProblem, YAMLProblem, loads_yaml
from pilothouse.model.json import Object, dumps

SOURCE, HASH, SEEN = "kubernetes.io/config.source", "kubernetes.io/config.hash", "kubernetes.io/config.seen"
MIRROR = "kubernetes.io/config.mirror"
EVERYTHING = {"operator": "Exists", "effect": "NoExecute"}
_BOUNDARY = re.compile(rb"^---.*$", re.MULTILINE)
_COMMENT = re.compile(rb"^\s*(#.*)?$", re.MULTILINE)


class ManifestError(ValueError):
    """The file asks for no pod; the message is a sentence for whoever wrote it, without the file's name."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """uid: of the pod; it follows from the file's name and content, so another content is another pod."""

    file: str
    uid: str
    pod: Object

    @property
    def key(self) -> str:
        metadata = self.pod["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"


def parse(file: str, data: bytes, node_name: str) -> Manifest:
    """file: its name within the folder. Raises ManifestError."""
    pod = _pod(_value(data))
    metadata = pod["metadata"]
    name, namespace = f"{metadata['name']}-{node_name}", metadata.get("namespace") or "default"
    if said := names.dns1123_subdomain(name):
        raise ManifestError(f"metadata.name: {metadata['name']!r} makes no name of a pod: {said[0]}")
    if said := names.dns1123_label(namespace):
        raise ManifestError(f"metadata.namespace: {said[0]}")
    uid = hashlib.sha256(dumps([node_name, file, pod])).hexdigest()[:32]
    notes = _texts(metadata, "annotations") | {SOURCE: "file", HASH: uid}
    spec = pod["spec"] | {"nodeName": node_name, "tolerations": _tolerations(pod["spec"])}
    kept = {"name": name, "namespace": namespace, "uid": uid, "labels": _texts(metadata, "labels"), "annotations": notes, "generation": 1}
    return Manifest(file, uid, {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": spec})


def _value(data: bytes) -> Any:
    parts = [part for part in _BOUNDARY.split(data) if _COMMENT.sub(b"", part).strip()]
    if len(parts) > 1:
        raise ManifestError(f"it holds {len(parts)} documents; put each pod into a file of its own")
    try:
        value, twice = loads_yaml(data)
    except (YAMLProblem, SyntaxProblem, UnicodeDecodeError) as error:
        raise ManifestError(f"it is neither YAML nor JSON: {error}") from error
    if twice:
        raise ManifestError(f"a field is given twice: {twice[0]}")
    return value


def _pod(value: Any) -> Object:
    if not isinstance(value, dict):
        raise ManifestError("it holds no object; write a pod with apiVersion, kind, metadata and spec")
    if (value.get("apiVersion"), value.get("kind")) != ("v1", "Pod"):
        kind, version = value.get("kind") or "nameless kind", value.get("apiVersion") or "no version"
        raise ManifestError(f"it holds a {kind} of {version}; only a Pod of v1 can be static")
    for part in ("metadata", "spec"):
        if not isinstance(value.get(part), dict):
            raise ManifestError(f"{part}: it is missing or no object")
    for part in ("name", "namespace"):
        if not isinstance(value["metadata"].get(part) or "", str):
            raise ManifestError(f"metadata.{part}: it is no text")
    if not value["metadata"].get("name"):
        raise ManifestError("metadata.name: it is missing")
    return value


def _texts(metadata: Object, part: str) -> dict[str, str]:
    found = metadata.get(part) or {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ManifestError(f"metadata.{part}: they are no texts by name")
    return dict(found)


def _tolerations(spec: Object) -> list[Object]:
    """No taint drives it off the node: nobody else could run it."""
    given = spec.get("tolerations") or []
    if not isinstance(given, list):
        raise ManifestError("spec.tolerations: it is no list")
    return given if EVERYTHING in given else [*given, EVERYTHING]


def mirror_of(manifest: Manifest, node: Object, seen: str) -> Object:
    """What is written into the API for it. node: the Node, which owns it."""
    metadata = {key: value for key, value in manifest.pod["metadata"].items() if key not in ("uid", "generation")}
    owner = {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"], "uid": node["metadata"]["uid"], "controller": True}
    notes = metadata["annotations"] | {MIRROR: manifest.uid, SEEN: seen}
    return manifest.pod | {"metadata": metadata | {"annotations": notes, "ownerReferences": [owner]}}


def admitted_as(manifest: Manifest, mirror: Object) -> Object:
    """The pod to run, given what the API server has made of its mirror: with defaults, as it has been let in."""
    metadata = manifest.pod["metadata"] | {"creationTimestamp": mirror["metadata"].get("creationTimestamp")}
    return manifest.pod | {"metadata": metadata, "spec": mirror["spec"]}


def is_static(pod: Object) -> bool:
    """Whether the node has it from a file: what the API shows of it is only its mirror."""
    notes = pod["metadata"].get("annotations") or {}
    return SOURCE in notes and MIRROR not in notes


def as_of_api(pod: Object) -> Object:
    """A pod as the API has it, but for the annotation by which pods of files are known: anybody may write that."""
    metadata = pod["metadata"]
    notes = metadata.get("annotations") or {}
    if SOURCE not in notes or MIRROR in notes:
        return pod
    return pod | {"metadata": metadata | {"annotations": {name: value for name, value in notes.items() if name != SOURCE}}}


def mirrored_uid(pod: Object) -> str:
    """Of a mirror pod the uid of the pod that it shows; "" for any other."""
    found: str = (pod["metadata"].get("annotations") or {}).get(MIRROR) or ""
    return found
