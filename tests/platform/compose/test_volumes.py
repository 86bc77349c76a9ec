"""Volumes of a compose file: carried out where they have a name, and named where they are not carried out."""

from typing import Any

import pytest

from pilothouse.platform.apps import check
from pilothouse.platform.compose.project import Project, project
from pilothouse.platform.compose.values import ComposeError


def read(text: str) -> Project:
    return project("compose.yaml", {"compose.yaml": text}.get, {})


def one(volume: str, top: str = "{data: {}}", **more: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The volumes of a service with this entry, and what is said."""
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    found = read(f"services: {{web: {{image: x, volumes: [{volume}]{keys}}}}}\nvolumes: {top}")
    return dict(found.services[0].volumes), found.notes


DATA = {"path": "/data", "readOnly": False, "claim": None}


@pytest.mark.parametrize(
    ("entry", "top", "wanted"),
    [
        ("'data:/data'", "{data: {}}", {"data": DATA}),
        ("'data:/data'", "{data: null}", {"data": DATA}),
        ("'data:/data:ro'", "{data: {}}", {"data": DATA | {"readOnly": True}}),
        ("'data:/data:rw,z'", "{data: {}}", {"data": DATA}),
        ("{type: volume, source: data, target: /data, read_only: true}", "{data: {}}", {"data": DATA | {"readOnly": True}}),
        ("{source: data, target: /data, volume: {nocopy: true}}", "{data: {}}", {"data": DATA}),
        ("'Pg_data.v2:/data'", "{Pg_data.v2: {}}", {"pg-data-v2": DATA}),
        ("'data:/data'", "{data: {x-size: 5Gi, labels: {a: b}, name: other}}", {"data": DATA | {"size": "5Gi"}}),
        ("'data:/data'", "{data: {external: true}}", {"data": DATA | {"claim": "data"}}),
        ("'data:/data'", "{data: {external: true, name: old-data}}", {"data": DATA | {"claim": "old-data"}}),
        ("'data:/data'", "{data: {external: {name: old-data}}}", {"data": DATA | {"claim": "old-data"}}),
    ],
)
def test_a_named_volume_is_one_of_the_app(entry: str, top: str, wanted: dict[str, Any]) -> None:
    found, said = one(entry, top)
    assert found == wanted
    assert said == ()
    assert not check.app({"metadata": {"name": "web"}, "spec": {"image": "x", "volumes": found}})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("/data", "the volume at /data of web has no name, so what is there goes with the replica: name it, as in data:/data, to keep it"),
        ("{target: /data}", "the volume at /data of web has no name"),
        (
            "'./src:/app'",
            "./src is a folder or file of this machine, which replicas cannot have: web finds at /app what its image has there",
        ),
        ("'/var/run/docker.sock:/x:ro'", "/var/run/docker.sock is a folder or file of this machine"),
        ("'~/x:/x'", "~/x is a folder or file of this machine"),
        ("{type: bind, source: src, target: /app}", "src is a folder or file of this machine"),
        ("{type: tmpfs, target: /run}", "/run of web is no tmpfs: it lies on disk, and goes with the replica all the same"),
    ],
)
def test_what_is_not_mounted_is_said_with_its_place(entry: str, said: str) -> None:
    found, notes = one(entry)
    assert found == {}
    assert said in "; ".join(notes)


def test_a_tmpfs_a_driver_and_a_mode_are_said_by_name() -> None:
    assert "/run of web is no tmpfs" in "; ".join(one("'data:/data'", tmpfs="/run:size=64m")[1])
    assert "driver of volume data is not taken" in "; ".join(one("'data:/data'", "{data: {driver: nfs}}")[1])
    assert "driver_opts of volume data is not taken" in "; ".join(one("'data:/data'", "{data: {driver_opts: {type: nfs}}}")[1])
    assert "mode rslave of volume data is not taken (web)" in "; ".join(one("'data:/data:rslave'")[1])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("'other:/data'", r"web.volumes uses other, which `volumes` at the top does not name: add `other: \{\}` there"),
        ("'a:b:c:d'", "is no volume: write it like data:/var/lib/data"),
        ("{type: npipe, source: x, target: /x}", "type npipe is not taken"),
        ("{source: data, target: /x, volume: {subpath: y}}", "subpath of data is not taken"),
        ("{source: data}", "an entry has no target"),
        ("'data:/a', 'data:/b'", "web.volumes has data at /a and at /b: give one a volume of its own"),
    ],
)
def test_what_would_put_data_elsewhere_is_refused(entry: str, message: str) -> None:
    with pytest.raises(ComposeError, match=message):
        one(entry)


def test_a_volume_of_two_services_belongs_to_the_one_that_starts_first() -> None:
    text = """
services:
  nginx: {image: nginx, volumes: ["files:/files:ro"], depends_on: [php]}
  php: {image: php, volumes: ["files:/var/www"]}
volumes: {files: {x-size: 2Gi}}
"""
    found = read(text)
    php, nginx = found.services
    assert php.volumes == {"files": {"path": "/var/www", "readOnly": False, "claim": None, "size": "2Gi"}}
    assert nginx.volumes == {"files": {"path": "/files", "readOnly": True, "claim": "php-files"}}
    assert found.notes == ("volume files is shared by php and nginx, which run on one node for that",)


def test_names_that_become_one_are_told_apart() -> None:
    text = "services: {web: {image: x, volumes: ['a_b:/a', 'a.b:/b']}}\nvolumes: {a_b: {}, a.b: {}}"
    assert list(read(text).services[0].volumes) == ["a-b", "a-b-2"]
