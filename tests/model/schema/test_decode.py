from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.json import copy, same
from pilothouse.model.schema import Catalog, DecodeError
from tests.model.json_values import OBJECTS, VALUES

CORE, APPS = "io.k8s.api.core.v1", "io.k8s.api.apps.v1"


def pod_spec(catalog: Catalog, **spec: Any) -> Any:
    return catalog.schema(f"{CORE}.Pod").decode({"spec": spec}).value["spec"]


WRONG = [
    (
        {"spec": {"terminationGracePeriodSeconds": "x"}},
        "string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
    ),
    ({"spec": {"containers": [{"args": "a"}]}}, "string into Go struct field Container.spec.containers.args of type []string"),
    ({"spec": {"containers": [{"args": [1]}]}}, "number into Go struct field Container.spec.containers.args of type string"),
    ({"spec": {"containers": ["x"]}}, "string into Go struct field PodSpec.spec.containers of type v1.Container"),
    ({"spec": {"containers": [{"env": {}}]}}, "object into Go struct field Container.spec.containers.env of type []v1.EnvVar"),
    (
        {"spec": {"containers": [{"resources": []}]}},
        "array into Go struct field Container.spec.containers.resources of type v1.ResourceRequirements",
    ),
    (
        {"spec": {"containers": [{"ports": [{"containerPort": 80.5}]}]}},
        "number 80.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ),
    (
        {"spec": {"containers": [{"ports": [{"containerPort": 99999999999}]}]}},
        "number 99999999999 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ),
    ({"metadata": {"name": 5}}, "number into Go struct field ObjectMeta.metadata.name of type string"),
    ({"metadata": {"annotations": {"a": True}}}, "bool into Go struct field ObjectMeta.metadata.annotations of type string"),
    ({"spec": []}, "array into Go struct field Pod.spec of type v1.PodSpec"),
    ({"spec": {"hostNetwork": 1}}, "number into Go struct field PodSpec.spec.hostNetwork of type bool"),
    ("x", "string into Go value of type v1.Pod"),
]


@pytest.mark.parametrize(("value", "message"), WRONG)
def test_wrong_types_are_explained_in_upstreams_words(catalog: Catalog, value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        catalog.schema(f"{CORE}.Pod").decode(value)
    assert caught.value.message == f"json: cannot unmarshal {message}"


def test_maps_of_strings_are_named_by_their_field(catalog: Catalog) -> None:
    schema = catalog.schema(f"{CORE}.ConfigMap")
    with pytest.raises(DecodeError, match=r"array into Go struct field ConfigMap\.data of type map\[string\]string"):
        schema.decode({"data": []})
    with pytest.raises(DecodeError, match=r"number into Go struct field ConfigMap\.data of type string"):
        schema.decode({"data": {"a": 1}})


def test_unknown_fields_are_dropped_and_named_in_order(catalog: Catalog) -> None:
    found = catalog.schema(f"{CORE}.Pod").decode(
        {"spec": {"zzz": 1, "containers": [{"name": "c"}, {"name": "d", "foo": {}}], "aaa": 1}, "top": 1}
    )
    assert found.unknown == ["spec.zzz", "spec.containers[1].foo", "spec.aaa", "top"]
    assert [each["name"] for each in found.value["spec"]["containers"]] == ["c", "d"]
    assert "foo" not in found.value["spec"]["containers"][1]


def test_field_names_are_case_sensitive(catalog: Catalog) -> None:
    assert catalog.schema(f"{CORE}.ConfigMap").decode({"Data": {"a": "b"}}).unknown == ["Data"]


def test_nulls_become_what_go_makes_of_them(catalog: Catalog) -> None:
    found = pod_spec(catalog, nodeName=None, containers=[{"name": "c", "args": [None], "env": None}], nodeSelector={"a": None})
    assert found == {"containers": [{"name": "c", "args": [""], "resources": {}}], "nodeSelector": {"a": ""}}


def test_zero_values_stay_only_where_upstream_has_pointers(catalog: Catalog) -> None:
    found = pod_spec(
        catalog, hostNetwork=False, nodeName="", priority=0, tolerations=[], nodeSelector={}, enableServiceLinks=False, containers=[]
    )
    assert found == {"priority": 0, "enableServiceLinks": False, "containers": []}


def test_structures_held_by_value_are_always_there(catalog: Catalog) -> None:
    assert catalog.schema(f"{APPS}.Deployment").decode({}).value == {
        "metadata": {},
        "spec": {"strategy": {}, "template": {"metadata": {}, "spec": {}}},
        "status": {},
    }
    assert catalog.schema(f"{CORE}.Service").zero("status") == {"loadBalancer": {}}
    assert catalog.schema(f"{CORE}.Service").zero("none") is None


def test_fields_without_omitempty_show_as_null(catalog: Catalog) -> None:
    assert catalog.schema("io.k8s.api.rbac.v1.Role").decode({}).value == {"metadata": {}, "rules": None}
    event = catalog.schema(f"{CORE}.Event").decode({"metadata": {"name": "e"}}).value
    assert event["firstTimestamp"] is None
    assert event["reportingComponent"] == ""
    assert event["source"] == {}


def test_quantities_become_canonical(catalog: Catalog) -> None:
    limits = {"cpu": "0.5", "memory": "1024Mi", "a": 1, "b": 0.25, "c": None}
    found = pod_spec(catalog, containers=[{"name": "c", "resources": {"limits": limits}}])
    assert found["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi", "a": "1", "b": "250m", "c": "0"}
    with pytest.raises(DecodeError, match="quantities must match the regular expression"):
        pod_spec(catalog, overhead={"cpu": [1]})


def test_times_become_utc_and_whole_seconds(catalog: Catalog) -> None:
    meta = catalog.object_meta()
    for text in ("2026-01-31T02:00:00+02:00", "2026-01-31T00:00:00.123Z", "2026-01-31T00:00:00Z"):
        assert meta.decode({"creationTimestamp": text}).value["creationTimestamp"] == "2026-01-31T00:00:00Z"


def test_a_time_long_ago_stays_one_that_can_be_read(catalog: Catalog) -> None:
    meta, lease = catalog.object_meta(), catalog.schema("io.k8s.api.coordination.v1.LeaseSpec")
    early = meta.decode({"creationTimestamp": "0049-08-07T16:09:51.5Z"}).value
    assert early == {"creationTimestamp": "0049-08-07T16:09:51Z"}
    assert meta.decode(early).value == early
    assert lease.decode({"renewTime": "0049-08-07T16:09:51.500000+01:00"}).value == {"renewTime": "0049-08-07T15:09:51.500000Z"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
        ("2026-01-01", 'parsing time "2026-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-01-01T00:00:00", 'parsing time "2026-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        ("2026-13-01T00:00:00Z", 'parsing time "2026-13-01T00:00:00Z": month out of range'),
        ("2026-02-30T00:00:00Z", 'parsing time "2026-02-30T00:00:00Z": day out of range'),
        ("2026-02-29T00:00:00Z", 'parsing time "2026-02-29T00:00:00Z": day out of range'),
        ("2026-06-31T00:00:00Z", 'parsing time "2026-06-31T00:00:00Z": day out of range'),
        ("2026-01-01T24:00:00Z", 'parsing time "2026-01-01T24:00:00Z": hour out of range'),
    ],
)
def test_bad_times_are_explained_in_upstreams_words(catalog: Catalog, text: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        catalog.object_meta().decode({"creationTimestamp": text})
    assert caught.value.message == message


def test_micro_times_have_six_digits(catalog: Catalog) -> None:
    lease = catalog.schema("io.k8s.api.coordination.v1.LeaseSpec")
    assert lease.decode({"renewTime": "2026-01-01T02:00:00.000001+02:00"}).value == {"renewTime": "2026-01-01T00:00:00.000001Z"}
    with pytest.raises(DecodeError) as caught:
        lease.decode({"renewTime": "2020-01-01T00:00:00Z"})
    assert caught.value.message == (
        'parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'
    )


def test_ports_are_integers_or_strings(catalog: Catalog) -> None:
    action = catalog.schema(f"{CORE}.HTTPGetAction")
    assert action.decode({"port": "http"}).value == {"port": "http"}
    assert action.decode({"port": 80}).value == {"port": 80}
    assert action.decode({"port": None}).value == {"port": 0}
    with pytest.raises(DecodeError, match=r"bool into Go struct field HTTPGetAction\.port of type int32"):
        action.decode({"port": True})


@pytest.mark.parametrize(
    ("text", "offset"), [("!", 0), ("1", 0), ("aGk", 0), ("aGk=x", 4), ("aGk!", 3), ("a===", 1), ("aG==aG==", 4), ("aG=x", 3), ("aGk==", 4)]
)
def test_bad_base64_is_named_by_offset(catalog: Catalog, text: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        catalog.schema(f"{CORE}.Secret").decode({"data": {"a": text}})
    assert caught.value.message == f"illegal base64 data at input byte {offset}"


def test_base64_may_be_broken_into_lines(catalog: Catalog) -> None:
    found = catalog.schema(f"{CORE}.Secret").decode({"data": {"a": "aG\nk=\n", "b": "", "c": "aGkh"}}).value["data"]
    assert found == {"a": "aGk=", "b": "", "c": "aGkh"}


def test_schemas_of_custom_resources_nest(catalog: Catalog) -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    schema = {"type": "object", "properties": {"a": {"items": {"type": "string"}, "additionalProperties": False, "default": {"x": [None]}}}}
    assert catalog.schema(name).decode(schema).value == schema
    with pytest.raises(DecodeError, match=r"string into Go struct field JSONSchemaProps\.properties\.minimum of type float64"):
        catalog.schema(name).decode({"properties": {"a": {"minimum": "x"}}})


def test_decoding_leaves_its_argument_alone_and_shares_nothing(catalog: Catalog) -> None:
    value = {"data": {"a": [{}]}, "metadata": {"labels": {"a": "b"}, "finalizers": ["x"]}, "revision": 1}
    before = copy(value)
    found = catalog.schema(f"{APPS}.ControllerRevision").decode(value).value
    found["data"]["a"][0]["x"] = found["metadata"]["labels"]["y"] = "z"
    found["metadata"]["finalizers"].append("y")
    assert same(value, before)


@given(
    VALUES | OBJECTS,
    st.sampled_from([f"{CORE}.Pod", f"{APPS}.Deployment", f"{CORE}.Secret"]),
    st.sampled_from(["spec", "metadata", "data"]),
)
def test_any_json_is_decoded_or_refused(catalog: Catalog, value: Any, name: str, field: str) -> None:
    schema = catalog.schema(name)
    try:
        once = schema.decode({field: value}).value
    except DecodeError:
        return
    again = schema.decode(once)
    assert same(again.value, once)
    assert again.unknown == []


def test_values_nested_too_deeply_are_refused(catalog: Catalog) -> None:
    deep: list[Any] = []
    for _ in range(9000):
        deep = [deep]
    with pytest.raises(DecodeError, match="exceeded max depth"):
        catalog.schema(f"{APPS}.ControllerRevision").decode({"data": deep})
    assert catalog.schema(f"{CORE}.ConfigMap").decode({"x": deep}).unknown == ["x"]


def test_numbers_beyond_every_range_are_refused(catalog: Catalog) -> None:
    for value in (float("inf"), 1e308, 2**70):
        with pytest.raises(DecodeError, match="cannot unmarshal number"):
            pod_spec(catalog, priority=value)
    with pytest.raises(DecodeError, match="quantities must match"):
        pod_spec(catalog, overhead={"cpu": float("inf")})
