"""What a kubeconfig says about how to reach a cluster, as kubectl reads it.

Every complaint is one sentence that names the file, the field and the way out. Certificates and keys are held as PEM bytes,
wherever they came from; a token file is read again by the transport, because its content is renewed under us.
Source: kubernetes.io "Organizing Cluster Access Using kubeconfig Files"; client-go/tools/clientcmd.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pilothouse.model.json import Object

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(ValueError):
    """A kubeconfig that cannot be used; the message is for the user."""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that hands out credentials (client.authentication.k8s.io)."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = "client.authentication.k8s.io/v1"
    install_hint: str = ""
    provide_cluster_info: bool = False


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One context of a kubeconfig, resolved. source: where it came from, for messages."""

    server: str
    namespace: str = "default"
    context: str = ""
    source: str = ""
    certificate_authority: bytes | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = None
    client_certificate: bytes | None = None
    client_key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    impersonate: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    impersonate_uid: str | None = None
    impersonate_extra: tuple[tuple[str, str], ...] = ()
    exec: ExecPlugin | None = None


def paths(path: str | os.PathLike[str] | None = None) -> list[Path]:
    """The files that `load` reads: the given one, else those of $KUBECONFIG, else ~/.kube/config."""
    if path is not None:
        return [Path(path).expanduser()]
    listed = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path.home() / ".kube" / "config"]


def load(path: str | os.PathLike[str] | None = None, context: str | None = None) -> Kubeconfig:
    """The context asked for, or the current one. Of several files in $KUBECONFIG the first to name a thing decides."""
    files = paths(path)
    present = [file for file in files if file.exists()]
    if not present:
        tried = " or ".join(str(file) for file in files)
        raise KubeconfigError(f"no kubeconfig at {tried}: name one with --kubeconfig or $KUBECONFIG")
    documents = [(file, read(file)) for file in present]
    name = context or next((found for _, document in documents if (found := document.get("current-context"))), "")
    if not name:
        raise KubeconfigError(f"{_names(present)}: current-context is not set; set it with `kubectl config use-context`, or name a context")
    return _resolve(documents, name)


def in_cluster(root: Path = SERVICE_ACCOUNT) -> Kubeconfig:
    """How a pod reaches its own cluster: its service account's token and CA. Raises KubeconfigError outside of a pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    token_file = root / "token"
    if not host or not token_file.exists():
        raise KubeconfigError(f"not in a pod: $KUBERNETES_SERVICE_HOST is not set or {token_file} is missing; name a kubeconfig instead")
    namespace = root / "namespace"
    return Kubeconfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        context="in-cluster",
        source=str(root),
        certificate_authority=_read_bytes(root / "ca.crt", "the CA certificate"),
        token_file=token_file,
    )


def read(path: Path) -> Object:
    """The kubeconfig file as a document; raises KubeconfigError when it is none."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise KubeconfigError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise KubeconfigError(f"{path} is not a kubeconfig: it has no `kind: Config`")
    return document


def entries(path: Path, document: Object, section: str) -> list[Object]:
    """The named entries of clusters, users or contexts."""
    found = document.get(section) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) and entry.get("name") for entry in found):
        raise KubeconfigError(f"{path}: {section} must be a list of entries with a name")
    return found


Documents = Sequence[tuple[Path, Object]]


def _resolve(documents: Documents, context: str) -> Kubeconfig:
    context_file, chosen = _entry(documents, "contexts", "context", context, "the context asked for")
    where = f"context {context!r} of {context_file}"
    cluster_file, cluster = _entry(documents, "clusters", "cluster", _text(chosen, "cluster", where), where)
    user_name = chosen.get("user") or ""
    user_file, user = _entry(documents, "users", "user", user_name, where) if user_name else (context_file, {})
    cluster_fields = _Fields(cluster_file, f"cluster {chosen['cluster']!r}", cluster)
    return Kubeconfig(
        namespace=chosen.get("namespace") or "default",
        context=context,
        source=str(context_file),
        **_cluster(cluster_fields),
        **_user(_Fields(user_file, f"user {user_name!r}", user)),
    )


def _entry(documents: Documents, section: str, content: str, name: str, asked_by: str) -> tuple[Path, Object]:
    known = []
    for path, document in documents:
        for entry in entries(path, document, section):
            if entry["name"] == name:
                return path, entry.get(content) or {}
            known.append(entry["name"])
    files = _names([path for path, _ in documents])
    raise KubeconfigError(f"{files}: no {content} {name!r} ({asked_by}); known: {', '.join(known) or 'none'}")


@dataclass(frozen=True, slots=True)
class _Fields:
    """An entry with what is needed to complain about it and to follow its relative paths."""

    file: Path
    entry: str
    values: Object

    def complaint(self, text: str) -> KubeconfigError:
        return KubeconfigError(f"{self.file}: {self.entry}: {text}")

    def path(self, name: str) -> Path | None:
        given = self.values.get(name)
        return self.file.parent / Path(given).expanduser() if given else None

    def pem(self, name: str) -> bytes | None:
        """The bytes of `<name>-data`, which wins, or of the file that `<name>` points to."""
        data = self.values.get(f"{name}-data")
        if data:
            try:
                return base64.b64decode(data, validate=True)
            except (binascii.Error, TypeError, ValueError) as error:
                raise self.complaint(f"{name}-data is not base64") from error
        path = self.path(name)
        return None if path is None else _read_bytes(path, f"{name} of {self.entry} in {self.file}")


def _cluster(fields: _Fields) -> dict[str, Any]:
    server = fields.values.get("server") or ""
    if not server.startswith(("https://", "http://")):
        raise fields.complaint(f"server {server!r} is not a URL; it must begin with https://")
    return {
        "server": server.rstrip("/"),
        "certificate_authority": fields.pem("certificate-authority"),
        "insecure": bool(fields.values.get("insecure-skip-tls-verify")),
        "tls_server_name": fields.values.get("tls-server-name"),
        "proxy_url": _proxy(fields),
    }


def _proxy(fields: _Fields) -> str | None:
    proxy: str | None = fields.values.get("proxy-url")
    if proxy and not proxy.startswith(("http://", "https://")):
        raise fields.complaint(f"proxy-url {proxy!r} is not supported; use an http:// or https:// proxy")
    return proxy or None


def _user(fields: _Fields) -> dict[str, Any]:
    if fields.values.get("auth-provider"):
        raise fields.complaint("auth-provider is no longer part of Kubernetes; use an exec plugin (`kubectl` 1.26 release notes)")
    certificate, key = fields.pem("client-certificate"), fields.pem("client-key")
    if (certificate is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise fields.complaint(f"{missing} (or {missing}-data) is missing; a client certificate needs both")
    return {
        "client_certificate": certificate,
        "client_key": key,
        "token": fields.values.get("token") or None,
        "token_file": fields.path("tokenFile"),
        "username": fields.values.get("username"),
        "password": fields.values.get("password"),
        "impersonate": fields.values.get("as"),
        "impersonate_groups": tuple(fields.values.get("as-groups") or ()),
        "impersonate_uid": fields.values.get("as-uid"),
        "impersonate_extra": tuple((key, text) for key, texts in (fields.values.get("as-user-extra") or {}).items() for text in texts),
        "exec": _exec(fields),
    }


def _exec(fields: _Fields) -> ExecPlugin | None:
    given = fields.values.get("exec")
    if not given:
        return None
    if not given.get("command"):
        raise fields.complaint("exec.command is missing")
    command = given["command"]
    return ExecPlugin(
        # As kubectl: a command with a slash is relative to the kubeconfig, one without is looked for on PATH.
        command=str(fields.file.parent / command) if "/" in command else command,
        args=tuple(given.get("args") or ()),
        env=tuple((pair["name"], pair["value"]) for pair in given.get("env") or ()),
        api_version=given.get("apiVersion") or "client.authentication.k8s.io/v1",
        install_hint=given.get("installHint") or "",
        provide_cluster_info=bool(given.get("provideClusterInfo")),
    )


def _text(values: Object, name: str, where: str) -> str:
    found = values.get(name)
    if not found:
        raise KubeconfigError(f"{where}: {name} is not set")
    return str(found)


def _read_bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{what}: {path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def _names(files: Sequence[Path]) -> str:
    return ", ".join(str(file) for file in files)
