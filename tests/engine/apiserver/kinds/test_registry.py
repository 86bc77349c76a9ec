"""Promises about all kinds at once."""

import pytest

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from tests.engine.apiserver.kinds.objects import NOW

KINDS = [pytest.param(kind, id=name) for name, kind in BUILT_IN.items()]


def test_every_resource_has_a_kind_that_knows_whether_it_is_stored() -> None:
    assert {name: kind.is_stored for name, kind in BUILT_IN.items()} == {
        name: "watch" in kind.resource.verbs for name, kind in BUILT_IN.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_has_a_cell_for_each_column(kind: Kind) -> None:
    obj = {"metadata": {"name": "it", "creationTimestamp": "2026-05-04T11:00:00Z"}}
    assert len(kind.cells(obj, NOW)) == len(kind.columns)


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_selected_has_a_value(kind: Kind) -> None:
    assert set(kind.selectable({"metadata": {"name": "it"}})) >= kind.selectable_fields


def test_unknown_selectors_are_refused_in_upstreams_words() -> None:
    assert BUILT_IN["pods"].unknown_selector("x.y") == "field label not supported: x.y"
    assert BUILT_IN["configmaps"].unknown_selector("x.y") == (
        '"x.y" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
    assert BUILT_IN["jobs.batch"].unknown_selector("x.y") == 'field label "x.y" not supported for Job'


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (
            "create_on_update",
            {
                "services",
                "endpoints",
                "events",
                "events.events.k8s.io",
                "limitranges",
                "leases.coordination.k8s.io",
                "runtimeclasses.node.k8s.io",
                *(f"{plural}.rbac.authorization.k8s.io" for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
            },
        ),
        (
            "returns_object_on_delete",
            {
                "pods",
                "persistentvolumeclaims",
                "persistentvolumes",
                *(
                    f"{plural}.storage.k8s.io"
                    for plural in ("storageclasses", "csidrivers", "csinodes", "volumeattachments", "volumeattributesclasses")
                ),
                "podtemplates",
                "replicationcontrollers",
                "services",
                "serviceaccounts",
                "resourcequotas",
                "namespaces",
                "jobs.batch",
                "customresourcedefinitions.apiextensions.k8s.io",
            },
        ),
    ],
)
def test_flags(flag: str, expected: set[str]) -> None:
    assert {name for name, kind in BUILT_IN.items() if getattr(kind, flag)} == expected


def test_some_resources_need_a_version_to_be_replaced() -> None:
    strict = {name for name, kind in BUILT_IN.items() if not kind.unconditional_update}
    assert strict == {
        "poddisruptionbudgets.policy",
        "leases.coordination.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        *(f"{plural}.storage.k8s.io" for plural in ("csidrivers", "csinodes", "volumeattachments", "csistoragecapacities")),
    }
