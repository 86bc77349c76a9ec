"""Every leaf of upstream's schema of pods, Services and EndpointSlices has a state in its table."""

import json
from collections.abc import Iterator

import pytest

from pilothouse.engine.apiserver.kinds.pod_defaults import CONTAINER_LISTS
from pilothouse.engine.apiserver.kinds.support.endpointslices import ENDPOINT_SLICES
from pilothouse.engine.apiserver.kinds.support.pod_status import POD_STATUS
from pilothouse.engine.apiserver.kinds.support.pods import PODS
from pilothouse.engine.apiserver.kinds.support.rule import State
from pilothouse.engine.apiserver.kinds.support.services import SERVICES
from pilothouse.engine.apiserver.kinds.support.storage import CLAIMS, CLASSES, VOLUMES
from pilothouse.engine.apiserver.kinds.support.table import Table
from pilothouse.model.json import Object
from pilothouse.model.schema.catalog import definitions_path

OF_EVERY_OBJECT = ("apiVersion", "kind", "metadata")
TABLES = [
    pytest.param(PODS, "io.k8s.api.core.v1.PodSpec", id="pods"),
    pytest.param(POD_STATUS, "io.k8s.api.core.v1.PodStatus", id="status of pods"),
    pytest.param(SERVICES, "io.k8s.api.core.v1.Service", id="services"),
    pytest.param(CLAIMS, "io.k8s.api.core.v1.PersistentVolumeClaim", id="claims"),
    pytest.param(VOLUMES, "io.k8s.api.core.v1.PersistentVolume", id="volumes"),
    pytest.param(CLASSES, "io.k8s.api.storage.v1.StorageClass", id="storage classes"),
    pytest.param(ENDPOINT_SLICES, "io.k8s.api.discovery.v1.EndpointSlice", id="endpointslices"),
]
DEFINITIONS: Object = json.loads(definitions_path().read_bytes())["$defs"]


def names_of(path: str) -> set[str]:
    """The ways in which a table may write a path."""
    owner, _, rest = path.partition("[]")
    either = {path, f"*containers[]{rest}"} if owner in CONTAINER_LISTS else {path}
    return either | {each.removesuffix("[]") for each in either}


def leaves(name: str, whole: set[str], path: str = "") -> Iterator[str]:
    """Every path of a definition down to its leaves, or to where the table says something of all that lies below."""
    for field, schema in DEFINITIONS[name]["properties"].items():
        if not path and field in OF_EVERY_OBJECT:
            continue
        items = schema.get("items") or {}
        here = f"{path}{field}{'[]' if items else ''}"
        reference = (items or schema).get("$ref") or next((each["$ref"] for each in schema.get("allOf") or ()), "")
        inner = reference.rsplit("/", 1)[-1]
        if inner and DEFINITIONS[inner].get("properties") and not names_of(here) & whole:
            yield from leaves(inner, whole, f"{here}.")
        else:
            yield here


def of_upstream(table: Table, definition: str) -> list[str]:
    """A word about some values of a field says nothing of what lies below it."""
    return list(leaves(definition, {path for path, rule in table.entries() if not rule.shown}))


@pytest.mark.parametrize(("table", "definition"), TABLES)
def test_no_field_of_upstream_is_forgotten(table: Table, definition: str) -> None:
    stated = {path for path, _ in table.entries()}
    forgotten = [path for path in of_upstream(table, definition) if not names_of(path) & stated]
    assert forgotten == [], "say in kinds/support what becomes of them"


@pytest.mark.parametrize(("table", "definition"), TABLES)
def test_no_field_is_named_that_upstream_does_not_have(table: Table, definition: str) -> None:
    known = {name for path in of_upstream(table, definition) for name in names_of(path)}
    above = {path[:end] for path in known for end in range(len(path)) if path[end] in ".["}
    assert [path for path, _ in table.entries() if path not in known | above] == []


@pytest.mark.parametrize(("table", "definition"), TABLES)
def test_every_refusal_says_what_to_do_instead(table: Table, definition: str) -> None:
    assert all("; " in rule.note for _, rule in table.entries() if rule.state is State.REFUSED)
