"""The manifests that our pages show, in the hands of the real kubectl: it reads YAML 1.1, where `on`, `yes` and `no` are booleans."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pilothouse.client.crds import CustomType
from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
from pilothouse.platform.databases.pattern.types import BACKUP, BACKUP_STORE, BINDING
from tests.clients.kubectl import Kubectl

GROUP = "apiVersion: databases.pilothouse.dev/v1"
TYPES = (MYSQL, MYSQL_DATABASE, MYSQL_USER, BINDING, BACKUP, BACKUP_STORE)
PAGES = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))


def manifests() -> Iterator[tuple[str, str]]:
    """Page and text of each indented block that begins with an object of a database's kinds."""
    for page in PAGES:
        for block in re.findall(r"(?:^    .*\n|^\n)+", page.read_text(), re.MULTILINE):
            text = re.sub("^    ", "", block, flags=re.MULTILINE).strip()
            if text.startswith(GROUP):
                yield page.stem, text


MANIFESTS = list(manifests())


def test_pages_show_manifests() -> None:
    assert {"back-up-and-restore", "bind-a-database", "bindings", "mysql"} <= {page for page, _ in MANIFESTS}


@pytest.mark.parametrize(("page", "text"), MANIFESTS, ids=[page for page, _ in MANIFESTS])
def test_kubectl_takes_what_a_page_shows(kubectl: Kubectl, page: str, text: str) -> None:
    kubectl.apply(*(each.definition() for each in TYPES))
    kubectl("wait", "--for=condition=Established", *(f"crd/{each.resource.plural}.{each.resource.group}" for each in TYPES))
    kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


@pytest.mark.parametrize("kind", TYPES, ids=[each.resource.kind for each in TYPES])
def test_no_field_is_a_word_that_yaml_takes_for_a_boolean(kind: CustomType) -> None:
    for field in fields(kind.definition()):
        assert yaml.safe_load(field) == field


def fields(schema: object) -> Iterator[str]:
    """Names of properties at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from fields(each)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            yield from value if key == "properties" else ()
            yield from fields(value)
