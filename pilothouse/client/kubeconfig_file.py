"""Writing kubeconfig files: a whole one, or ours merged into the user's own.

The file holds private keys: it is replaced atomically, readable by its owner alone, and a merge leaves a copy of what was
there before. Entries of others stay as they are, in their order.
"""

import base64
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from pilothouse.client.kubeconfig import Kubeconfig, entries, read
from pilothouse.model.json import Object

SECTIONS = ("clusters", "users", "contexts")


def document(config: Kubeconfig, name: str) -> Object:
    """A kubeconfig with one cluster, user and context of that name, everything inline."""
    cluster = {
        "server": config.server,
        "certificate-authority-data": _encoded(config.certificate_authority),
        "insecure-skip-tls-verify": config.insecure or None,
        "tls-server-name": config.tls_server_name,
        "proxy-url": config.proxy_url,
    }
    user = {
        "client-certificate-data": _encoded(config.client_certificate),
        "client-key-data": _encoded(config.client_key),
        "token": config.token,
        "tokenFile": None if config.token_file is None else str(config.token_file),
    }
    context = {"cluster": name, "user": name, "namespace": config.namespace if config.namespace != "default" else None}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": _given(cluster)}],
        "users": [{"name": name, "user": _given(user)}],
        "contexts": [{"name": name, "context": _given(context)}],
        "current-context": name,
    }


def write(path: Path, content: Object) -> None:
    """Replace the file in one step, mode 0600. A symbolic link stays one: its target is replaced."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            yaml.safe_dump(content, file, sort_keys=False)
            file.flush()
            os.fsync(file.fileno())
        _keep_owner(path, aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def merge(into_path: Path, from_path: Path) -> Path | None:
    """Add the clusters, users and contexts of one file to another and make its current context the current one.

    Entries of the same name are replaced, all else stays. Returns the copy of the file as it was, None when there was none.
    """
    added = _inlined(from_path, read(from_path))
    backup = _backed_up(into_path)
    old = read(into_path) if into_path.exists() else {}
    merged: Object = {"apiVersion": "v1", "kind": "Config"} | old
    for section in SECTIONS:
        merged[section] = _joined(entries(into_path, old, section), entries(from_path, added, section))
    merged["current-context"] = added.get("current-context") or old.get("current-context", "")
    write(into_path, merged)
    return backup


def _joined(old: list[Object], new: list[Object]) -> list[Object]:
    by_name = {entry["name"]: entry for entry in new}
    kept = [by_name.pop(entry["name"], entry) for entry in old]
    return kept + list(by_name.values())


def _inlined(path: Path, content: Object) -> Object:
    """File references made independent of where the kubeconfig lies."""
    return content | {
        "clusters": [_inline(path, entry, "cluster", ("certificate-authority",)) for entry in entries(path, content, "clusters")],
        "users": [_inline(path, entry, "user", ("client-certificate", "client-key")) for entry in entries(path, content, "users")],
    }


def _inline(path: Path, entry: Object, content: str, names: tuple[str, ...]) -> Object:
    values = dict(entry.get(content) or {})
    for name in names:
        file = values.pop(name, None)
        if file and f"{name}-data" not in values:
            values[f"{name}-data"] = _encoded((path.parent / file).read_bytes())
    return entry | {content: values}


def _backed_up(path: Path) -> Path | None:
    if not path.exists():
        return None
    backup = path.with_name(f"{path.name}.before-pilothouse")
    shutil.copy2(path, backup)
    backup.chmod(0o600)
    return backup


def _keep_owner(old: Path, new: Path) -> None:
    """Under sudo, the user's own file stays the user's."""
    if os.geteuid() == 0:
        owner = (old if old.exists() else old.parent).stat()
        os.chown(new, owner.st_uid, owner.st_gid)


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _given(values: dict[str, Any]) -> Object:
    return {key: value for key, value in values.items() if value is not None}
