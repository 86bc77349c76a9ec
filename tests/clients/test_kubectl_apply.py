import json
from pathlib import Path

import pytest

from tests.clients.kubectl import Api, Kubectl, documents
from tests.clients.objects import config_map, deployment, service


def test_apply_creates_then_leaves_then_changes(kubectl: Kubectl) -> None:
    assert kubectl.apply(config_map("settings", a="1")) == "configmap/settings created\n"
    assert kubectl.apply(config_map("settings", a="1")) == "configmap/settings unchanged\n"
    assert kubectl.apply(config_map("settings", a="2")) == "configmap/settings configured\n"
    assert kubectl.json("get", "cm", "settings")["data"] == {"a": "2"}


def test_apply_removes_a_field_that_left_the_manifest_and_keeps_what_others_added(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings", ours="1", gone="1"))
    kubectl("patch", "cm", "settings", "-p", '{"data": {"theirs": "1"}}')
    kubectl.apply(config_map("settings", ours="1"))
    assert kubectl.json("get", "cm", "settings")["data"] == {"ours": "1", "theirs": "1"}


def test_apply_merges_lists_by_their_keys(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web", env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]))
    kubectl.apply(deployment("web", env=[{"name": "B", "value": "2"}, {"name": "C", "value": "1"}]))
    (container,) = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in container["env"]} == {"B": "2", "C": "1"}


def test_apply_of_an_unchanged_deployment_with_defaults_is_unchanged(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web", ports=[{"containerPort": 80}]), service("web"))
    assert kubectl.apply(deployment("web", ports=[{"containerPort": 80}]), service("web")).count("unchanged") == 2


def test_apply_keeps_the_replicas_that_scale_set_when_the_manifest_names_none(kubectl: Kubectl) -> None:
    wanted = deployment("web")
    del wanted["spec"]["replicas"]
    kubectl.apply(wanted)
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl.apply(wanted)
    assert kubectl.json("get", "deployment", "web")["spec"]["replicas"] == 3


def test_apply_prunes_what_left_the_set(kubectl: Kubectl) -> None:
    kept, gone = config_map("kept"), config_map("gone")
    for each in (kept, gone):
        each["metadata"]["labels"] = {"set": "one"}
    kubectl.apply(kept, gone)
    prune = ("apply", "-f", "-", "--prune", "-l", "set=one", "--prune-allowlist=core/v1/ConfigMap")
    assert "configmap/gone pruned" in kubectl(*prune, stdin=documents(kept))
    assert kubectl("get", "cm", "-l", "set=one", "-o", "name") == "configmap/kept\n"


def test_apply_prunes_what_left_the_set_that_kubectl_keeps(kubectl: Kubectl) -> None:
    kept, gone = config_map("kept"), config_map("gone")
    keeping = kubectl.using(KUBECTL_APPLYSET="true")
    prune = ("apply", "-f", "-", "--prune", "--applyset=shop")
    keeping(*prune, stdin=documents(kept, gone))
    assert "configmap/gone pruned" in keeping(*prune, stdin=documents(kept))
    assert kubectl("get", "configmap", "kept", "-o", "name") == "configmap/kept\n"


def test_server_dry_run_shows_defaults_and_stores_nothing(kubectl: Kubectl) -> None:
    shown = json.loads(kubectl("apply", "-f", "-", "--dry-run=server", "-o", "json", stdin=documents(deployment("web"))))
    assert shown["spec"]["progressDeadlineSeconds"] == 600
    assert "NotFound" in kubectl.refused("get", "deployment", "web")


def test_diff_shows_the_change_and_makes_none(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings", a="old"))
    shown = kubectl.attempt("diff", "-f", "-", stdin=documents(config_map("settings", a="new")))
    assert shown.returncode == 1, shown.stderr
    assert "-  a: old" in shown.stdout
    assert "+  a: new" in shown.stdout
    assert kubectl.json("get", "cm", "settings")["data"] == {"a": "old"}


def test_diff_of_what_is_applied_is_empty(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    kubectl("diff", "-f", "-", stdin=documents(deployment("web")))


def edit_with(kubectl: Kubectl, tmp_path: Path, old: str, new: str) -> Kubectl:
    """kubectl whose editor replaces one text by another."""
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\nsed -i "s/{old}/{new}/" "$1"\n')
    editor.chmod(0o755)
    return kubectl.using(KUBE_EDITOR=str(editor))


def test_edit_sends_what_the_editor_changed(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(config_map("settings", a="before"))
    assert edit_with(kubectl, tmp_path, "a: before", "a: after")("edit", "cm", "settings") == "configmap/settings edited\n"
    assert kubectl.json("get", "cm", "settings")["data"] == {"a": "after"}


def test_edit_without_a_change_is_cancelled(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(config_map("settings", a="before"))
    assert "cancelled, no changes made" in edit_with(kubectl, tmp_path, "no-such-text", "x").attempt("edit", "cm", "settings").stderr


def test_edit_last_applied_changes_the_annotation(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(config_map("settings", a="before"))
    edit_with(kubectl, tmp_path, "before", "after")("apply", "edit-last-applied", "cm/settings")
    assert "a: after" in kubectl("apply", "view-last-applied", "cm/settings")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", '{"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}'),
        ("merge", '{"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}'),
        ("json", '[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}]'),
    ],
)
def test_each_patch_type_changes_the_image(kubectl: Kubectl, kind: str, patch: str) -> None:
    kubectl.apply(deployment("web"))
    assert kubectl("patch", "deployment", "web", "--type", kind, "-p", patch) == "deployment.apps/web patched\n"
    assert kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"


def test_patch_of_the_status_leaves_the_spec(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    given = '{"spec": {"replicas": 5}, "status": {"collisionCount": 3}}'
    kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", given)
    assert kubectl.json("get", "deployment", "web")["spec"]["replicas"] == 1


def test_failed_json_patch_test_changes_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings", a="1"))
    patch = '[{"op": "test", "path": "/data/a", "value": "2"}, {"op": "remove", "path": "/data/a"}]'
    kubectl.refused("patch", "cm", "settings", "--type=json", "-p", patch)
    assert kubectl.json("get", "cm", "settings")["data"] == {"a": "1"}


def test_replace_puts_the_object_in_place_of_the_old_one(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=documents(config_map("settings", a="1", b="1")))
    assert kubectl("replace", "-f", "-", stdin=documents(config_map("settings", a="2"))) == "configmap/settings replaced\n"
    assert kubectl.json("get", "cm", "settings")["data"] == {"a": "2"}


def test_replace_with_an_old_version_is_a_conflict(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings", a="1"))
    old = kubectl.json("get", "cm", "settings")
    kubectl("patch", "cm", "settings", "-p", '{"data": {"a": "2"}}')
    assert "the object has been modified" in kubectl.refused("replace", "-f", "-", stdin=json.dumps(old))


def test_replace_by_force_makes_a_new_object(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings", a="1"))
    before = kubectl.json("get", "cm", "settings")["metadata"]["uid"]
    kubectl("replace", "--force", "-f", "-", stdin=documents(config_map("settings", a="2")))
    assert kubectl.json("get", "cm", "settings")["metadata"]["uid"] != before


def test_labels_and_annotations_are_set_and_removed(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings"))
    kubectl("label", "cm", "settings", "tier=front")
    kubectl("annotate", "cm", "settings", "note=a longer text")
    metadata = kubectl.json("get", "cm", "settings")["metadata"]
    assert metadata["labels"] == {"tier": "front"}
    assert metadata["annotations"]["note"] == "a longer text"
    assert "'tier' already has a value" in kubectl.refused("label", "cm", "settings", "tier=back")
    kubectl("label", "cm", "settings", "tier-")
    kubectl("annotate", "cm", "settings", "note-")
    assert "labels" not in kubectl.json("get", "cm", "settings")["metadata"]


def test_a_bad_label_is_refused_with_the_rule(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings"))
    assert "a valid label must be" in kubectl.refused("label", "cm", "settings", "tier=not a value")


def test_apply_of_a_list_applies_each(kubectl: Kubectl) -> None:
    both = {"apiVersion": "v1", "kind": "List", "items": [config_map("one"), config_map("two")]}
    assert kubectl.apply(both).splitlines() == ["configmap/one created", "configmap/two created"]


def test_apply_reports_each_failure_and_applies_the_rest(kubectl: Kubectl) -> None:
    bad = config_map("Not_A_Name")
    done = kubectl.attempt("apply", "-f", "-", stdin=documents(config_map("good"), bad))
    assert done.returncode == 1
    assert "configmap/good created" in done.stdout
    assert 'The ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value' in done.stderr


def test_kustomize_folder_is_applied(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(documents(config_map("settings", a="1")))
    (tmp_path / "kustomization.yaml").write_text("resources: [map.yaml]\nnamePrefix: pre-\n")
    assert kubectl("apply", "-k", str(tmp_path)) == "configmap/pre-settings created\n"


def test_a_bare_request_finds_what_kubectl_applied(kubectl: Kubectl, api: Api) -> None:
    kubectl.apply(config_map("settings", a="1"))
    assert api.get(f"/api/v1/namespaces/{kubectl.namespace}/configmaps/settings")["data"] == {"a": "1"}
