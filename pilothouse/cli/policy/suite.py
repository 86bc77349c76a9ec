"""Reads the file of `ph policy test`: cases, and the objects that lie beside them or in the files that it names.

Bounded: 10 MB and 10,000 objects in all. A text that is no case is named with its place.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.cli.policy.cases import ALLOWED, DENIED, FAMILIES, PROTOCOLS, WITH_PORTS, Case, End
from pilothouse.model.json import Object
from pilothouse.model.yaml import YAMLProblem, loads_all_yaml

MOST_BYTES, MOST_OBJECTS = 10 << 20, 10_000
_KEYS = frozenset({"from", "to", "port", "protocol", "family", "expected"})


class SuiteError(Exception):
    """The file cannot be carried out; the text says where and why."""


@dataclass(frozen=True)
class Suite:
    cases: list[Case]
    objects: list[Object]


def read(file: Path) -> Suite:
    """Raises SuiteError."""
    cases: list[Case] = []
    objects: list[Object] = []
    for document in _documents(file):
        if "cases" not in document:
            objects += _objects(document)
            continue
        if unknown := set(document) - {"cases", "manifests"}:
            raise SuiteError(f"{file}: {', '.join(sorted(unknown))}: a document with cases has beside them `manifests` alone")
        cases += [_case(each, f"{file}: case {number}") for number, each in enumerate(_list(document["cases"], file), start=1)]
        for name in _list(document.get("manifests") or [], file):
            objects += (found for path in _files(file.parent / str(name)) for each in _documents(path) for found in _objects(each))
    if not cases:
        raise SuiteError(f"{file}: it has no cases: write them as a list under `cases`")
    if len(objects) > MOST_OBJECTS:
        raise SuiteError(f"{file}: {len(objects)} objects, {MOST_OBJECTS} are the most")
    return Suite(cases, objects)


def _documents(path: Path) -> Iterator[Object]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SuiteError(f"{path}: larger than {MOST_BYTES >> 20} MB")
        found, twice = loads_all_yaml(path.read_bytes())
    except FileNotFoundError as error:
        raise SuiteError(f"{path}: there is no such file or folder") from error
    except OSError as error:
        raise SuiteError(f"{path}: {error.strerror}") from error
    except YAMLProblem as error:
        raise SuiteError(f"{path}: {error}") from error
    if twice:
        raise SuiteError(f"{path}: {twice[0]}: write it once")
    for document in found:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise SuiteError(f"{path}: a document is a mapping, as `kind: NetworkPolicy ...` or `cases: [...]`")
        yield document


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml", ".json") and each.is_file())
    return [path]


def _objects(document: Object) -> list[Object]:
    items = document.get("items")
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else [document]


def _list(found: Any, file: Path) -> list[Any]:
    if not isinstance(found, list):
        raise SuiteError(f"{file}: `cases` and `manifests` are lists")
    return found


def _case(found: Any, where: str) -> Case:
    if not isinstance(found, dict):
        raise SuiteError(f"{where}: a case is a mapping of from, to, port, protocol, family and expected")
    if unknown := set(map(str, found)) - _KEYS:
        raise SuiteError(f"{where}: {', '.join(sorted(unknown))}: a case has from, to, port, protocol, family and expected")
    protocol, port = str(found.get("protocol") or "TCP").upper(), str(found.get("port") or "")
    expected, family = str(found.get("expected") or ""), str(found.get("family") or "")
    source, target = _end(found.get("from"), f"{where}: from"), _end(found.get("to"), f"{where}: to")
    if protocol not in PROTOCOLS:
        raise SuiteError(f"{where}: protocol {protocol} is none of {', '.join(PROTOCOLS)}")
    if expected not in (ALLOWED, DENIED):
        raise SuiteError(f"{where}: expected is `{ALLOWED}` or `{DENIED}`")
    if family and family not in FAMILIES:
        raise SuiteError(f"{where}: family {family} is none of {', '.join(FAMILIES)}; left out: each that both ends have")
    if target.is_dns:
        port = port or "53"
    if bool(port) != (protocol in WITH_PORTS):
        raise SuiteError(f"{where}: {protocol} {'needs a port' if not port else 'has no ports'}")
    if port.isdecimal() and not 0 < int(port) < 65536:
        raise SuiteError(f"{where}: port {port} is none of 1 to 65535")
    return Case(source, target, protocol, port, expected, family)


def _end(found: Any, where: str) -> End:
    if isinstance(found, dict):
        labels = found.get("labels") or {}
        if set(found) - {"namespace", "labels"} or not found.get("namespace") or not isinstance(labels, dict):
            raise SuiteError(f"{where}: pods by labels are written as {{namespace: NAME, labels: {{KEY: VALUE}}}}")
        named = {str(key): str(value) for key, value in labels.items()}
        shown = f"{found['namespace']}/{{{', '.join(f'{key}={value}' for key, value in named.items())}}}"
        return End(shown, str(found["namespace"]), labels=named)
    text = str(found or "")
    if text == "dns":
        return End(text, is_dns=True)
    try:
        return End(text, address=str(ipaddress.ip_address(text)))
    except ValueError:
        namespace, slash, name = text.partition("/")
    if _is_network(text):
        raise SuiteError(f"{where}: {text} is a network: write one address of it")
    if not slash or not namespace or not name or "/" in name:
        raise SuiteError(f"{where}: {text or 'nothing'} is no NAMESPACE/NAME of a pod or workload, no address and not `dns`")
    return End(text, namespace, name)


def _is_network(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False
