from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.json import copy
from pilothouse.model.patch import PatchError, strategic_merge_patch
from pilothouse.model.schema import Catalog, Schema

POD = {
    "metadata": {"labels": {"l": "1"}, "finalizers": ["x/a"]},
    "spec": {
        "containers": [
            {"name": "c", "image": "img:1", "args": ["x", "y"], "env": [{"name": "A", "value": "1"}]},
            {"name": "d", "image": "img:2"},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "x"}}],
        "tolerations": [{"key": "t", "operator": "Exists"}],
    },
}


@pytest.fixture(scope="module")
def schema(catalog: Catalog) -> Schema:
    return catalog.schema("io.k8s.api.core.v1.Pod")


def spec(schema: Schema, **patch: Any) -> Any:
    return strategic_merge_patch(POD, {"spec": patch}, schema)["spec"]


def order(containers: list[Any]) -> list[str]:
    return [each["name"] for each in containers]


def test_elements_of_a_list_map_merge_by_key(schema: Schema) -> None:
    found = spec(schema, containers=[{"name": "d", "image": "img:9"}])["containers"]
    assert found == [POD["spec"]["containers"][0], {"name": "d", "image": "img:9"}]  # type: ignore[index]


def test_new_elements_come_first(schema: Schema) -> None:
    assert order(spec(schema, containers=[{"name": "e"}])["containers"]) == ["e", "c", "d"]


def test_lists_inside_elements_merge_too(schema: Schema) -> None:
    found = spec(schema, containers=[{"name": "c", "env": [{"name": "B", "value": "2"}]}])["containers"][0]
    assert order(found["env"]) == ["B", "A"]


def test_atomic_lists_are_replaced(schema: Schema) -> None:
    assert spec(schema, tolerations=[{"key": "u"}])["tolerations"] == [{"key": "u"}]
    assert spec(schema, containers=[{"name": "c", "args": ["z"]}])["containers"][0]["args"] == ["z"]


def test_lists_of_strings_merge_without_duplicates(schema: Schema) -> None:
    found = strategic_merge_patch(POD, {"metadata": {"finalizers": ["x/b", "x/a"]}}, schema)
    assert found["metadata"]["finalizers"] == ["x/b", "x/a"]


def test_patch_delete_removes_the_element(schema: Schema) -> None:
    assert order(spec(schema, containers=[{"name": "c", "$patch": "delete"}])["containers"]) == ["d"]


def test_patch_replace_replaces_the_list(schema: Schema) -> None:
    assert spec(schema, containers=[{"name": "z"}, {"$patch": "replace"}])["containers"] == [{"name": "z"}]


def test_patch_replace_replaces_the_map(schema: Schema) -> None:
    found = strategic_merge_patch(POD, {"metadata": {"labels": {"$patch": "replace", "z": "1"}}}, schema)
    assert found["metadata"]["labels"] == {"z": "1"}


def test_patch_delete_empties_the_map(schema: Schema) -> None:
    assert strategic_merge_patch(POD, {"metadata": {"labels": {"$patch": "delete"}}}, schema)["metadata"]["labels"] == {}


def test_null_removes_a_field(schema: Schema) -> None:
    assert "tolerations" not in spec(schema, tolerations=None)


def test_primitives_can_be_deleted_from_a_list(schema: Schema) -> None:
    found = spec(schema, containers=[{"name": "c", "$deleteFromPrimitiveList/args": ["x"]}])["containers"][0]
    assert found["args"] == ["y"]


def test_the_order_of_elements_can_be_set(schema: Schema) -> None:
    assert order(spec(schema, **{"$setElementOrder/containers": [{"name": "d"}, {"name": "c"}]})["containers"]) == ["d", "c"]
    patch = {"$setElementOrder/containers": [{"name": "q"}, {"name": "d"}, {"name": "c"}], "containers": [{"name": "c", "image": "n"}]}
    assert order(spec(schema, **patch)["containers"]) == ["d", "c"]


def test_elements_the_order_does_not_name_keep_their_place(schema: Schema) -> None:
    found = spec(schema, **{"$setElementOrder/containers": [{"name": "d"}, {"name": "e"}], "containers": [{"name": "e"}]})
    assert order(found["containers"]) == ["c", "d", "e"]


def test_retain_keys_drops_the_other_keys(schema: Schema) -> None:
    change = {"name": "w", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}
    assert spec(schema, volumes=[change])["volumes"][1] == {"name": "w", "secret": {"secretName": "s"}}


def test_directives_do_not_end_up_in_new_values(schema: Schema) -> None:
    change = {"name": "n", "$retainKeys": ["name", "emptyDir"], "emptyDir": {"medium": None}}
    assert spec(schema, volumes=[change])["volumes"][0] == {"name": "n", "emptyDir": {}}


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ({"containers": [{"image": "img:9"}]}, 500, "map: map[image:img:9] does not contain declared merge key: name"),
        ({"volumes": [{"name": "w", "$retainKeys": ["name"], "secret": {}}]}, 400, "invalid patch format of retainKeys"),
        ({"volumes": [{"name": "w", "$retainKeys": "name"}]}, 400, "invalid patch format of retainKeys"),
        ({"$patch": "frob"}, 500, "unknown patch type: frob in map: map[$patch:frob]"),
        ({"containers": [{"$patch": "merge", "name": "c"}]}, 500, "merging lists cannot yet be specified in the patch"),
        ({"containers": [["x"]]}, 422, "lists of lists are not supported"),
        (
            {"$setElementOrder/containers": [{"name": "c"}], "containers": [{"image": "x", "name": "d"}]},
            500,
            "The order in patch list:\n[map[image:x name:d]]\n doesn't match $setElementOrder list:\n[map[name:c]]\n",
        ),
    ],
)
def test_bad_patches_are_explained_in_upstreams_words(schema: Schema, patch: Any, code: int, message: str) -> None:
    with pytest.raises(PatchError) as caught:
        strategic_merge_patch(POD, {"spec": patch}, schema)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_a_patch_is_an_object(schema: Schema) -> None:
    with pytest.raises(PatchError, match=r"cannot unmarshal array into Go value of type map\[string\]interface") as caught:
        strategic_merge_patch(POD, [], schema)
    assert caught.value.code == 400
    assert strategic_merge_patch(POD, None, schema) == POD


def test_services_ports_merge_by_number(catalog: Catalog) -> None:
    service = {"spec": {"ports": [{"name": "x", "port": 80}, {"name": "y", "port": 81}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    found = strategic_merge_patch(service, patch, catalog.schema("io.k8s.api.core.v1.Service"))
    assert found["spec"]["ports"] == [{"name": "x", "port": 80, "targetPort": 8080}, {"name": "y", "port": 81}]


CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcdef")}, optional={"image": st.sampled_from(["1", "2"])}),
    max_size=5,
    unique_by=lambda each: each["name"],
)


@given(CONTAINERS, CONTAINERS)
def test_a_merged_list_has_each_key_once_and_all_that_the_patch_says(catalog: Catalog, server: list[Any], patch: list[Any]) -> None:
    schema = catalog.schema("io.k8s.api.core.v1.PodSpec")
    before = copy([server, patch])
    found = strategic_merge_patch({"containers": server}, {"containers": patch}, schema)["containers"]
    assert [server, patch] == before
    assert sorted(order(found)) == sorted({each["name"] for each in server + patch})
    merged = {each["name"]: each for each in found}
    assert all(merged[each["name"]].items() >= each.items() for each in patch)
    assert [name for name in order(found) if name in order(patch)] == order(patch)
    assert strategic_merge_patch({"containers": found}, {"containers": patch}, schema)["containers"] == found


def test_long_lists_merge_in_linear_time(catalog: Catalog) -> None:
    server = [{"name": f"c{number}"} for number in range(20_000)]
    patch = [{"name": f"c{number}", "image": "i"} for number in range(0, 40_000, 2)]
    found = strategic_merge_patch({"containers": server}, {"containers": patch}, catalog.schema("io.k8s.api.core.v1.PodSpec"))
    assert len(found["containers"]) == 30_000
