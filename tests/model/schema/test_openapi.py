from typing import Any

from pilothouse.model.schema.openapi import V2, V3, definitions

POD = "io.k8s.api.core.v1.Pod"


def references(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*map(references, schema.values()))
    return set().union(*map(references, schema)) if isinstance(schema, list) else set()


def test_a_closure_has_all_that_it_refers_to() -> None:
    for prefix in (V2, V3):
        found = definitions([POD], prefix)
        assert references(found) <= {prefix + name for name in found}
        assert list(found) == sorted(found)


def test_definitions_look_as_upstream_publishes_them() -> None:
    pod = definitions([POD])[POD]
    assert pod["type"] == "object"
    assert pod["description"].startswith("Pod is a collection of containers")
    assert "enum" not in pod["properties"]["kind"]
    assert pod["properties"]["spec"]["allOf"] == [{"$ref": f"{V3}io.k8s.api.core.v1.PodSpec"}]
    assert definitions([POD], V2)[POD]["properties"]["spec"]["$ref"] == f"{V2}io.k8s.api.core.v1.PodSpec"


def test_a_value_of_two_types_is_one_or_the_other_where_that_can_be_said() -> None:
    name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    shown = {key: value for key, value in definitions([name], V2)[name].items() if key != "description"}
    assert shown == {"type": "string", "format": "int-or-string"}
    assert definitions([name])[name]["oneOf"] == [{"type": "integer"}, {"type": "string"}]


def test_unknown_names_are_left_out() -> None:
    assert definitions(["io.k8s.api.core.v1.Nothing"]) == {}
