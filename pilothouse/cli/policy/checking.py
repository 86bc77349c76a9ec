"""What an API server and nodes would make of a file's objects before any packet is judged: a policy that is not taken shuts nothing."""

from collections import Counter
from collections.abc import Iterable
from functools import cache

from pilothouse.cli.policy.offline import WORKLOADS, defaulted
from pilothouse.cli.policy.suite import SuiteError
from pilothouse.engine.apiserver.crds.custom_kind import custom_kind
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.network_policies import NETWORKPOLICY
from pilothouse.engine.controllers.clusterpolicy.definition import DEFINITION
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NETWORKPOLICIES
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.model.schema import from_crd

_POLICIES = {each.kind: each.api_version for each in (NETWORKPOLICIES, CLUSTERNETWORKPOLICIES)}
_KNOWN = frozenset({"Namespace", "Node", "Pod", *WORKLOADS, *_POLICIES})
_FAULTS = (ValueError, LookupError, TypeError, AttributeError)


def check(objects: Iterable[Object]) -> str:
    """Which kinds are left out, in one sentence; "" when none is. Raises SuiteError for a policy that would be refused or carried out
    by nobody."""
    others: Counter[str] = Counter()
    for obj in objects:
        kind, version = str(obj.get("kind") or ""), str(obj.get("apiVersion") or "")
        if not kind:
            raise SuiteError("a document has neither `cases` nor a `kind`: write one of them")
        if kind in _POLICIES and version in ("", _POLICIES[kind]):
            _check(obj)
        elif "NetworkPolicy" in kind or kind in _POLICIES:
            carried_out = " or ".join(f"{name} ({of})" for name, of in _POLICIES.items())
            name = f"{kind} {(obj.get('metadata') or {}).get('name', '')} ({version or 'without apiVersion'})"
            raise SuiteError(f"{name} is a policy that is not carried out here: write it as {carried_out}, or leave it out of `manifests`")
        elif kind not in _KNOWN:
            others[kind] += 1
    if not others:
        return ""
    named = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items())[:10]) + (", and others" if len(others) > 10 else "")
    return f"left out: {named}; pods are those of Pod and of the templates of {', '.join(WORKLOADS)} alone"


def _check(obj: Object) -> None:
    kind = NETWORKPOLICY if obj["kind"] == NETWORKPOLICIES.kind else _of_cluster()
    try:
        named = f"{obj['kind']} {meta.key(obj)}"
        whole = defaulted(obj) if kind is NETWORKPOLICY else obj
        cause = next(iter(kind.validate(whole)), None)
    except _FAULTS as error:
        raise SuiteError(f"{obj['kind']} {(obj.get('metadata') or {}).get('name', '')} cannot be read: {error}") from error
    if cause is not None:
        raise SuiteError(f"{named} would be refused: {cause.field}: {cause.message}")


@cache
def _of_cluster() -> Kind:
    (version,) = DEFINITION["spec"]["versions"]
    schema = from_crd(version["schema"]["openAPIV3Schema"])
    return custom_kind(CLUSTERNETWORKPOLICIES, version, lambda: schema)
