"""What a file of the node's folder asks for, and when it is taken."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.node.static.folder import MOST_BYTES, MOST_FILES, Folder
from pilothouse.engine.node.static.kept import Kept
from pilothouse.engine.node.static.manifest import HASH, SOURCE, ManifestError, is_static, mirror_of, mirrored_uid, parse
from pilothouse.engine.node.static.problems import problems

YAML = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: main, image: app:1}]
"""
JSON = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"main","image":"app:1"}]}}'


def test_a_pod_is_named_after_its_node_bound_to_it_and_driven_off_by_no_taint() -> None:
    found = parse("web.yaml", YAML.encode(), "n1")
    metadata = found.pod["metadata"]
    assert (metadata["name"], metadata["namespace"], found.key) == ("web-n1", "default", "default/web-n1")
    assert (found.pod["spec"]["nodeName"], found.pod["spec"]["tolerations"]) == ("n1", [{"operator": "Exists", "effect": "NoExecute"}])
    assert metadata["annotations"] == {SOURCE: "file", HASH: found.uid}
    assert (is_static(found.pod), metadata["uid"]) == (True, found.uid)


def test_its_uid_follows_from_where_and_what_it_is() -> None:
    uids = {
        parse("web.yaml", YAML.encode(), "n1").uid,
        parse("other.yaml", YAML.encode(), "n1").uid,
        parse("web.yaml", YAML.encode(), "n2").uid,
        parse("web.yaml", YAML.replace("app:1", "app:2").encode(), "n1").uid,
    }
    assert len(uids) == 4
    assert parse("web.yaml", b"# a comment\n---\n" + YAML.encode(), "n1").uid in uids, "only the content counts"
    assert parse("web.json", JSON.encode(), "n1").pod["spec"]["containers"] == [{"name": "main", "image": "app:1"}]


def test_its_mirror_is_the_nodes_and_names_it() -> None:
    found = parse("web.yaml", YAML.encode(), "n1")
    mirror = mirror_of(found, {"metadata": {"name": "n1", "uid": "of-node"}}, "2026-01-01T00:00:00Z")
    assert (mirrored_uid(mirror), is_static(mirror), "uid" in mirror["metadata"]) == (found.uid, False, False)
    (owner,) = mirror["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"], "blockOwnerDeletion" in owner) == ("Node", "of-node", True, False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "it is neither YAML nor JSON: yaml: "),
        ('{"a": 1', "it is neither YAML nor JSON: "),
        ("", "it holds no object"),
        ("- a", "it holds no object"),
        (YAML.replace("Pod", "Deployment"), "it holds a Deployment of v1; only a Pod of v1 can be static"),
        ("kind: Pod", "it holds a Pod of no version; only a Pod of v1 can be static"),
        (YAML.replace("name: web, ", ""), "metadata.name: it is missing"),
        (YAML.replace("name: web, ", "name: [a], "), "metadata.name: it is no text"),
        (YAML.replace("name: web, ", "name: Web!, "), "metadata.name: 'Web!' makes no name of a pod"),
        (YAML.replace("name: web, ", "name: web, namespace: a_b, "), "metadata.namespace: "),
        (YAML.replace("app: web", "app: 1"), "metadata.labels: they are no texts by name"),
        (YAML.replace("spec:", "other:"), "spec: it is missing"),
        (YAML + "  tolerations: 3\n", "spec.tolerations: it is no list"),
        (YAML + "kind: Pod\n", "a field is given twice"),
        (YAML + "---\n" + YAML, "it holds 2 documents; put each pod into a file of its own"),
    ],
)
def test_what_is_no_pod_is_said_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse("web.yaml", text.encode(), "n1")
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\x00", b"{" * 5000, b"&a [*a]", b"a: &a [*a, *a]", b"!!python/object:os.system x"])
def test_no_bytes_break_it(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse("web.yaml", data, "n1")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, "n1")


def uids(folder: Folder) -> dict[str, str]:
    return {name: read.manifest.uid if read.manifest else read.problem for name, read in folder.files.items()}


def test_files_are_taken_once_they_have_been_the_same_twice(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(YAML)
    folder.look()
    first = uids(folder)
    assert first.keys() == {"web.yaml"}
    (tmp_path / "web.yaml").write_text(YAML[:40])
    folder.look()
    assert uids(folder) == first
    (tmp_path / "web.yaml").write_text(YAML.replace("app:1", "app:22"))
    folder.look()
    assert uids(folder) == first
    folder.look()
    assert uids(folder)["web.yaml"] not in ("", first["web.yaml"])


def test_a_file_that_is_away_for_a_moment_is_not_gone(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(YAML)
    folder.look()
    text = (tmp_path / "web.yaml").rename(tmp_path / ".hidden")
    folder.look()
    assert uids(folder).keys() == {"web.yaml"}
    text.rename(tmp_path / "web.yaml")
    folder.look()
    (tmp_path / "web.yaml").unlink()
    folder.look()
    folder.look()
    assert uids(folder) == {}


def test_what_is_no_manifest_is_named_and_hurts_no_other(folder: Folder, tmp_path: Path) -> None:
    import os

    (tmp_path / "folder").mkdir()
    (tmp_path / ".dot").write_text("broken: [")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").write_bytes(b"#" * (MOST_BYTES + 1))
    (tmp_path / "web.yaml").write_text(YAML)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    folder.look()
    found = uids(folder)
    assert found.pop("web.yaml") == parse("web.yaml", YAML.encode(), "n1").uid
    assert found == {"pipe": "it is no ordinary file", "huge": "it is larger than 1024 KiB"}


def test_there_is_a_bound_for_how_many(folder: Folder, tmp_path: Path) -> None:
    for number in range(MOST_FILES + 3):
        (tmp_path / f"{number}.yaml").write_text("x")
    folder.look()
    assert sum("more than" in read.problem for read in folder.files.values()) == 3


def test_what_was_let_in_is_remembered_by_its_uid_alone(tmp_path: Path) -> None:
    kept, pod = Kept(tmp_path / "kept"), parse("web.yaml", YAML.encode(), "n1").pod
    kept.save(pod)
    kept.say({"a": "b"})
    (tmp_path / "kept" / "other.json").write_text("{")
    assert kept.load([pod["metadata"]["uid"], "other", "none"]) == {pod["metadata"]["uid"]: pod}
    kept.keep_only([])
    assert kept.load([pod["metadata"]["uid"]]) == {}
    assert problems(tmp_path / "kept") == {"a": "b"}
    assert problems(tmp_path) == {}


def test_a_folder_in_which_nothing_has_happened_is_settled(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "n1")
    assert not folder.is_settled(), "nobody has looked yet"
    web = tmp_path / "web.yaml"
    web.write_text(YAML)
    folder.look()
    assert folder.is_settled()
    web.write_text(YAML.replace("app:1", "app:20"))
    assert not folder.is_settled(), "a file has changed"
    folder.look()
    assert not folder.is_settled(), "it may go on changing"
    folder.look()
    assert folder.is_settled()
    other = tmp_path / "other.yaml"
    other.write_text(YAML)
    os.utime(tmp_path, ns=(0, tmp_path.stat().st_mtime_ns + 1))
    assert not folder.is_settled(), "a file has come"
    folder.look()
    folder.look()
    other.unlink()
    os.utime(tmp_path, ns=(0, tmp_path.stat().st_mtime_ns + 1))
    assert not folder.is_settled(), "one has gone"


def test_no_folder_at_all_is_settled_until_there_is_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "manifests", "n1")
    folder.look()
    assert folder.is_settled()
    (tmp_path / "manifests").mkdir()
    assert not folder.is_settled()
