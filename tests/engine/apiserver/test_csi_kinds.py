"""CSIDrivers, CSINodes, attachments, capacities and classes of attributes at the API, as a real Kubernetes 1.36 answers."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.storage.csi.drivers import CSIDRIVER
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_storage import VOLUMES, causes, volume

_GROUP = "/apis/storage.k8s.io/v1"
DRIVERS, NODES, ATTACHMENTS = f"{_GROUP}/csidrivers", f"{_GROUP}/csinodes", f"{_GROUP}/volumeattachments"
CAPACITIES, ATTRIBUTES = f"{_GROUP}/namespaces/default/csistoragecapacities", f"{_GROUP}/volumeattributesclasses"


def named(name: str = "d.example.com", **fields: Any) -> Object:
    return {"metadata": {"name": name}} | fields


def attachment(**spec: Any) -> Object:
    return named("a", spec={"attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}} | spec)


def csi_node(**driver: Any) -> Object:
    return named("n1", spec={"drivers": [{"name": "d.example.com", "nodeID": "n"} | driver]})


def attributes(**fields: Any) -> Object:
    return named("gold") | {"driverName": "d.example.com", "parameters": {"iops": "100"}} | fields


async def test_a_driver_gets_upstreams_defaults_and_counts_changes_of_its_spec(api: Api) -> None:
    made = await api.post(DRIVERS, named(spec={}))
    assert made["spec"] == {
        "attachRequired": True,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "podInfoOnMount": False,
        "requiresRepublish": False,
        "seLinuxMount": False,
        "storageCapacity": False,
        "volumeLifecycleModes": ["Persistent"],
    }
    assert "generation" not in made["metadata"]
    changed = await api.patch(f"{DRIVERS}/d.example.com", {"spec": {"storageCapacity": True}})
    assert changed["metadata"]["generation"] == 1
    assert (await api.delete(f"{DRIVERS}/d.example.com"))["kind"] == "CSIDriver"


@pytest.mark.parametrize(
    ("path", "wanted", "expected"),
    [
        (
            DRIVERS,
            named(spec={"volumeLifecycleModes": ["X"]}),
            ("spec.volumeLifecycleModes", 'Unsupported value: "X": supported values: "Persistent", "Ephemeral"'),
        ),
        (
            DRIVERS,
            named(spec={"fsGroupPolicy": "X"}),
            ("spec.fsGroupPolicy", 'Unsupported value: "X": supported values: "File", "None", "ReadWriteOnceWithFSType"'),
        ),
        (
            DRIVERS,
            named(spec={"tokenRequests": [{"audience": "a", "expirationSeconds": 5}]}),
            ("spec.tokenRequests[0].expirationSeconds", "Invalid value: 5: may not specify a duration less than 10 minutes"),
        ),
        (
            DRIVERS,
            named(spec={"tokenRequests": [{"audience": "a"}, {"audience": "a"}]}),
            ("spec.tokenRequests[1].audience", 'Duplicate value: "a"'),
        ),
        (
            DRIVERS,
            {"metadata": {"name": "d", "annotations": {"csi.pilothouse.dev/sidecars": "attacher, snapshoter"}}, "spec": {}},
            (
                "metadata.annotations[csi.pilothouse.dev/sidecars]",
                'Unsupported value: "snapshoter": supported values: "all", "provisioner", "attacher", "resizer", "snapshotter", "capacity"',
            ),
        ),
        (NODES, csi_node(nodeID=""), ("spec.drivers[0].nodeID", "Required value")),
        (
            NODES,
            csi_node(allocatable={"count": -1}),
            ("spec.drivers[0].allocatable.count", "Invalid value: -1: must be greater than or equal to 0"),
        ),
        (
            ATTACHMENTS,
            attachment(source={}),
            ("spec.source", "Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        ),
        (
            ATTACHMENTS,
            attachment(source={"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}}),
            ("spec.source.inlineVolumeSpec.csi", "Required value: has to be specified in the context of inline volumes"),
        ),
        (
            CAPACITIES,
            named("c", storageClassName="x", capacity="-1Gi"),
            ("capacity", 'Invalid value: "-1Gi": must be greater than or equal to 0'),
        ),
        (ATTRIBUTES, attributes(parameters={}), ("parameters", "Required value: must contain at least one key/value pair")),
        (
            VOLUMES,
            volume(volumeAttributesClassName="gold"),
            ("spec.csi", "Required value: has to be specified when using volumeAttributesClassName"),
        ),
        (
            VOLUMES,
            named(
                "v", spec={"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": {"driver": "d/x", "volumeHandle": ""}}
            ),
            ("spec.csi.volumeHandle", "Required value"),
        ),
    ],
)
async def test_what_is_wrong_is_said_in_upstreams_words(api: Api, path: str, wanted: Object, expected: tuple[str, str]) -> None:
    assert expected in causes(await api.refused("POST", path, wanted))


async def test_what_a_driver_says_of_itself_on_a_node_stays_but_for_its_limit(api: Api) -> None:
    made = await api.post(NODES, csi_node())
    assert made["spec"]["drivers"][0]["topologyKeys"] is None
    changed = csi_node(allocatable={"count": 3})["spec"]
    assert (await api.patch(f"{NODES}/n1", {"spec": changed}))["spec"]["drivers"][0]["allocatable"] == {"count": 3}
    error = await api.refused("PATCH", f"{NODES}/n1", {"spec": csi_node(nodeID="m")["spec"]}, "application/merge-patch+json")
    shown = '{"Name":"d.example.com","NodeID":"m","TopologyKeys":null,"Allocatable":null}'
    assert causes(error) == [("spec.drivers", f"Invalid value: {shown}: field is immutable")]


async def test_only_its_status_says_whether_a_volume_is_attached(api: Api) -> None:
    made = await api.post(ATTACHMENTS, attachment() | {"status": {"attached": True}})
    assert made["status"] == {"attached": False}
    shown = await api.patch(f"{ATTACHMENTS}/a/status", {"status": {"attached": True, "attachmentMetadata": {"dev": "sda"}}})
    assert shown["status"] == {"attached": True, "attachmentMetadata": {"dev": "sda"}}
    assert (await api.patch(f"{ATTACHMENTS}/a", {"status": {"attached": False}}))["status"]["attached"] is True
    error = await api.refused("PATCH", f"{ATTACHMENTS}/a", {"spec": {"nodeName": "m"}}, "application/merge-patch+json")
    assert causes(error)[0][0] == "spec"


async def test_a_class_of_attributes_is_protected_and_never_changed(api: Api) -> None:
    made = await api.post(ATTRIBUTES, attributes())
    assert made["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
    error = await api.refused("PATCH", f"{ATTRIBUTES}/gold", {"parameters": {"iops": "9"}}, "application/merge-patch+json")
    assert causes(error) == [("parameters", "Forbidden: updates to parameters are forbidden.")]


async def test_a_reported_capacity_changes_while_what_was_asked_for_stays(api: Api) -> None:
    await api.post(CAPACITIES, named("c", storageClassName="x", capacity="1Gi"))
    assert (await api.patch(f"{CAPACITIES}/c", {"capacity": "2Gi"}))["capacity"] == "2Gi"
    error = await api.refused("PATCH", f"{CAPACITIES}/c", {"storageClassName": "y"}, "application/merge-patch+json")
    assert causes(error) == [("storageClassName", 'Invalid value: "y": field is immutable')]


async def test_a_node_without_drivers_is_shown_as_upstream_shows_it(api: Api) -> None:
    made = await api.post(NODES, named("n1", spec={"drivers": []}))
    assert made["spec"] == {"drivers": None}
    assert (await api.get(f"{NODES}/n1"))["spec"] == {"drivers": None}


@pytest.mark.parametrize(("spec", "warned"), [({}, 0), ({"tokenRequests": [{"audience": "a"}]}, 1)])
def test_tokens_among_a_volumes_attributes_are_warned_of(spec: Object, warned: int) -> None:
    assert len(CSIDRIVER.warnings({"metadata": {"name": "d"}, "spec": spec})) == warned
