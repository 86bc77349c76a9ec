"""The table against the two sources of the same facts at hand: upstream's schemas and the field tags in the kubectl program."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.model.kinds import BUILT_IN
from pilothouse.model.protobuf.scalars import UNIONS
from pilothouse.model.protobuf.table import INLINE, SCALARS, Field, definition_of, fields, is_known, packages
from pilothouse.model.schema import Catalog, Node

KUBECTL = Path(sys.executable).with_name("kubectl")
DEFINITIONS = [f"{package}.{name}" for package, messages in packages().items() for name in messages]
SUBRESOURCES = [("policy/v1", "Eviction"), ("autoscaling/v1", "Scale"), ("authentication.k8s.io/v1", "TokenRequest"), ("v1", "Binding")]
CHANGED_IN_137 = {"io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus"}
FORMATS = {"date-time": "time", "micro-time": "microTime", "int-or-string": "intOrString", "byte": "bytes", "any": "raw"}
TYPES = {"boolean": "bool", "string": "string", "number": "double"}


def flat(definition: str) -> Iterator[Field]:
    """The fields as JSON has them."""
    for field in fields(definition):
        if field.name == INLINE:
            yield from flat(field.type)
        else:
            yield field


# Upstream's definitions do not have what metrics.k8s.io answers with, which is not shown in protobuf.
KINDS = [(each.api_version, each.kind) for each in BUILT_IN if each.group != "metrics.k8s.io"]


@pytest.mark.parametrize(("api_version", "kind"), [*KINDS, *SUBRESOURCES])
def test_every_built_in_kind_is_known_under_its_definition(catalog: Catalog, api_version: str, kind: str) -> None:
    definition = definition_of(api_version, kind)
    group, _, version = api_version.rpartition("/")
    assert definition == catalog.definition_of(group, version, kind)
    assert is_known(str(definition))


@pytest.mark.parametrize("api_version", ["v1", "apps/v1", "policy/v1", "rbac.authorization.k8s.io/v1", "apiextensions.k8s.io/v1"])
def test_delete_options_are_known_in_every_group(api_version: str) -> None:
    assert definition_of(api_version, "DeleteOptions") == "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


@pytest.mark.parametrize("api_version", ["", "v2", "apps.example.com/v1", "example.com/v1", "/v1/x", "meta/v1", "a/b/c"])
def test_kinds_of_nobody_have_no_definition(api_version: str) -> None:
    assert definition_of(api_version, "Deployment") is None
    assert definition_of(api_version, "DeleteOptions") is None


def test_every_message_that_a_field_names_is_in_the_table() -> None:
    named = {field.type for definition in DEFINITIONS for field in fields(definition)} - SCALARS
    assert named <= set(DEFINITIONS)


def test_fields_are_those_of_the_schema(catalog: Catalog) -> None:
    for definition in set(DEFINITIONS) - set(UNIONS) - CHANGED_IN_137:
        if definition in catalog:
            node = catalog.schema(definition).node
            names = set(node.properties) - ({"apiVersion", "kind"} if node.kinds else set())
            assert {field.name for field in flat(definition)} == names, definition


def test_types_are_those_of_the_schema(catalog: Catalog) -> None:
    for definition in set(DEFINITIONS) - set(UNIONS):
        if definition in catalog:
            node = catalog.schema(definition).node
            for field in flat(definition):
                check_type(node.properties[field.name], field, definition)


def check_type(node: Node, field: Field, definition: str) -> None:
    wanted: Node | None = node
    if field.shape == "[]":
        wanted = node.items
    elif field.shape == "{}":
        wanted = node.additional
    assert wanted is not None, (definition, field)
    if field.type in UNIONS:
        return
    if wanted.name and wanted.properties:
        assert field.type == wanted.name, (definition, field)
    elif wanted.type != "object":
        assert field.type == expected_scalar(wanted), (definition, field)


def expected_scalar(node: Node) -> str:
    if node.type == "integer":
        return node.format
    return FORMATS.get(node.format) or (node.format if node.format == "quantity" else TYPES[node.type])


IN_KUBECTL = ("io.k8s.api.", "io.k8s.apimachinery.")


def test_numbers_and_names_stand_in_kubectls_tags() -> None:
    """All but those of apiextensions and apiregistration, which kubectl does not carry."""
    tags = re.compile(rb'json:"([^",]*)[^"]*"(?: \w+:"[^"]*")* protobuf:"\w+,(\d+)[,"]')
    found = {(name.decode() or INLINE, int(number)) for name, number in tags.findall(KUBECTL.read_bytes())}
    ours = {(field.name, field.number) for name in DEFINITIONS if name.startswith(IN_KUBECTL) for field in fields(name)}
    assert ours - found - {("items", 1)} == set()


def test_no_message_has_a_number_twice() -> None:
    for definition in DEFINITIONS:
        numbers = [field.number for field in fields(definition)]
        assert len(set(numbers)) == len(numbers), definition
