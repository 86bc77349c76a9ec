from pathlib import Path

import pytest

from pilothouse.model.schema import Catalog, GroupVersionKind

POD = "io.k8s.api.core.v1.Pod"


def test_every_definition_becomes_a_schema(catalog: Catalog) -> None:
    assert len(list(catalog)) > 700
    for name in catalog:
        schema = catalog.schema(name)
        if schema.node.type == "object":
            assert schema.decode({}).unknown == []


def test_a_kind_is_found_by_group_version_and_name(catalog: Catalog) -> None:
    assert catalog.definition_of("", "v1", "Pod") == POD
    assert catalog.definition_of("apps", "v1", "Deployment") == "io.k8s.api.apps.v1.Deployment"
    assert catalog.definition_of("apps", "v9", "Deployment") is None
    assert catalog.kinds()[GroupVersionKind("", "v1", "Pod")] == POD
    assert POD in catalog


def test_nodes_know_how_their_lists_merge(catalog: Catalog) -> None:
    spec = catalog.schema("io.k8s.api.core.v1.PodSpec").node
    containers = spec.properties["containers"]
    assert (containers.list_type, containers.list_map_keys) == ("map", ("name",))
    assert spec.patches["volumes"].strategies == ("merge", "retainKeys")
    assert spec.patches["containers"].merge_key == "name"
    assert spec.required == ("containers",)


def test_schemas_are_shared(catalog: Catalog) -> None:
    assert catalog.schema(POD) is catalog.schema(POD)
    deployment = catalog.schema("io.k8s.api.apps.v1.DeploymentSpec").node
    assert deployment.properties["template"].properties["spec"] is catalog.schema(POD).node.properties["spec"]


def test_a_second_load_reads_the_cache(tmp_path: Path) -> None:
    Catalog.load(tmp_path)
    (cache,) = tmp_path.iterdir()
    written = cache.stat().st_mtime_ns
    assert POD in Catalog.load(tmp_path)
    assert cache.stat().st_mtime_ns == written


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 100])
def test_a_corrupt_cache_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    Catalog.load(tmp_path)
    (cache,) = tmp_path.iterdir()
    good = cache.read_bytes()
    for broken in (damage, good[: len(good) // 2], good[:-1] + bytes([good[-1] ^ 1]), b"x" + good):
        cache.write_bytes(broken)
        assert POD in Catalog.load(tmp_path)
        assert cache.read_bytes() == good
    assert [path.name for path in tmp_path.iterdir()] == [cache.name]


def test_without_a_place_for_the_cache_everything_works(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert POD in Catalog.load(tmp_path / "file" / "below")
    assert POD in Catalog.load(None)
