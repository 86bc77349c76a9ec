"""Bad input gets one clear sentence that names the thing and the way out, an exit code that is not 0, and leaves nothing half-made."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import BIN, Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]


def refused(done: "subprocess.CompletedProcess[str]", *words: str) -> str:
    """The last line of what was said; it holds the words, and the command failed without a traceback."""
    assert done.returncode not in (0, None), done.stdout
    assert "Traceback" not in done.stderr
    said = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in said, said
    return said


def app(instance: Instance, spec: dict[str, object]) -> "subprocess.CompletedProcess[str]":
    manifest = {"apiVersion": "apps.pilothouse.dev/v1", "kind": "App", "metadata": {"name": "bad"}, "spec": spec}
    return instance.kubectl("apply", "-f", "-", input=json.dumps(manifest), check=False)


def test_an_unknown_field_is_named(instance: Instance) -> None:
    refused(app(instance, {"image": "x", "replicaz": 2}), 'unknown field "spec.replicaz"')


def test_a_wrong_type_is_named(instance: Instance) -> None:
    said = app(instance, {"image": "x", "replicas": "two"})
    assert said.returncode != 0
    assert "spec.replicas" in said.stderr


def test_a_missing_name_is_named(instance: Instance) -> None:
    done = instance.kubectl("create", "-f", "-", input='{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}', check=False)
    assert done.returncode != 0
    assert "name" in done.stderr


def test_an_immutable_field_is_named(instance: Instance, namespace: str) -> None:
    instance.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(_deployment({"app": "one"})))
    changed = instance.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(_deployment({"app": "two"})), check=False)
    assert changed.returncode != 0
    assert "spec.selector" in changed.stderr
    assert "immutable" in changed.stderr


def _deployment(labels: dict[str, str]) -> dict[str, object]:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "127.0.0.1:1/none:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fixed"}, "spec": spec}


def test_an_image_that_does_not_exist_is_named_by_why(instance: Instance) -> None:
    done = instance.ph("deploy", "--image", "127.0.0.1:1/no/such:1", "--name", "ghost", "--timeout", "8", check=False)
    refused(done, "ghost", "why ghost")
    why = eventually(lambda: (text := instance.ph("why", "ghost").stdout) and "127.0.0.1:1/no/such:1" in text and text)
    assert "image" in why.splitlines()[0]
    instance.ph("delete", "ghost", "--yes")


def test_what_is_no_source_is_refused(instance: Instance, tmp_path: Path) -> None:
    refused(instance.ph("deploy", str(tmp_path / "nowhere"), check=False), "nowhere", "no folder")
    (tmp_path / "empty").mkdir()
    refused(instance.ph("deploy", str(tmp_path / "empty"), check=False), "nothing to deploy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--memory", "128MB"], ["128Mi"]),
        (["--name", "nu app"], ["nu-app"]),
        (["-n", "nosuch"], ["nosuch", "create namespace"]),
        (["--host", "first.localhost"], ["first.localhost", "app first"]),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_anything_is_built(
    instance: Instance, busybox: str, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    instance.ph("deploy", "--image", busybox, "--name", "first", "--detach")
    (tmp_path / "Dockerfile").write_text("FROM python:3-slim\n")
    done = instance.ph("deploy", str(tmp_path), *([] if "--name" in options else ["--name", "second"]), *options, check=False)
    assert done.returncode in (1, 2)
    assert all(word in done.stderr.splitlines()[-1] for word in words), done.stderr
    assert "second" not in instance.ph("apps").stdout
    instance.ph("delete", "first", "--yes")


@pytest.mark.slow
def test_a_base_image_that_cannot_be_had_is_named(instance: Instance, tmp_path: Path) -> None:
    tree = tmp_path / "antique"
    tree.mkdir()
    (tree / "Dockerfile").write_text("FROM python:2.6-slim\nCMD python app.py\n")
    done = instance.ph("deploy", str(tree), check=False)
    assert done.returncode == 1
    assert "python:2.6-slim" in done.stderr
    instance.ph("delete", "antique", "--yes")


@pytest.mark.slow
def test_an_app_that_does_not_exist_is_named_by_every_command(instance: Instance) -> None:
    for command in (["logs"], ["exec"], ["open"], ["rollback"], ["delete", "--yes"], ["why"]):
        done = instance.ph(command[0], "nobody", *command[1:], check=False)
        assert done.returncode != 0, command
        assert "nobody" in done.stderr, command
    refused(instance.ph("scale", "nobody=3", check=False), "nobody")
    refused(instance.ph("scale", "nobody", check=False), "APP=REPLICAS")


def test_a_revision_that_is_not_kept_is_named(instance: Instance) -> None:
    instance.ph("deploy", "--image", "127.0.0.1:1/no/such:1", "--name", "young", "--detach")
    eventually(lambda: instance.get("app", "young").get("status"))
    refused(instance.ph("rollback", "young", "--to", "42", check=False), "42", "young")
    instance.ph("delete", "young", "--yes")


def test_a_crash_is_explained_with_its_exit_code(instance: Instance, busybox: str) -> None:
    instance.load_image(busybox)
    manifest = {
        "apiVersion": "apps.pilothouse.dev/v1",
        "kind": "App",
        "metadata": {"name": "crasher"},
        "spec": {"image": busybox, "command": ["sh", "-c", "echo no config; exit 7"]},
    }
    instance.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    why = eventually(lambda: (text := instance.ph("why", "crasher").stdout) and "exit code 7" in text and text)
    assert "crasher" in why
    instance.ph("delete", "crasher", "--yes")


def test_a_quota_is_the_first_cause(instance: Instance, namespace: str, busybox: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    instance.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(quota))
    instance.ph("deploy", "--image", busybox, "--name", "over", "-n", namespace, "--detach")
    why = eventually(lambda: (text := instance.ph("why", "over", "-n", namespace).stdout) and "quota" in text and text)
    assert "none" in why


def test_too_large_a_request_is_explained_by_the_schedulers_counts(instance: Instance, busybox: str) -> None:
    instance.ph("deploy", "--image", busybox, "--name", "huge", "--cpu", "900", "--detach")
    why = eventually(lambda: (text := instance.ph("why", "huge").stdout) and "Insufficient cpu" in text and text)
    assert "0/1 nodes" in why
    instance.ph("delete", "huge", "--yes")


def test_settings_of_builds_are_checked(instance: Instance, tmp_path: Path) -> None:
    refused(instance.ph("config", "set", "pip.colour", "blue", check=False), "pip.colour")
    refused(instance.ph("config", "set", "ca", str(tmp_path), check=False), "PEM")


def test_a_wrong_kubeconfig_is_named(instance: Instance, tmp_path: Path) -> None:
    wrong = tmp_path / "config"
    wrong.write_text("just: text\n")
    refused(instance.ph("--kubeconfig", str(wrong), "apps", check=False), str(wrong))
    refused(instance.ph("run", "platform", "--kubeconfig", str(wrong), check=False), str(wrong))
    missing = instance.ph("--kubeconfig", str(tmp_path / "none"), "apps", check=False)
    assert missing.returncode != 0


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="pht-bad-"))
    home.rmdir()
    yield home
    subprocess.run([str(BIN / "ph"), "--home", str(home), "destroy", "--yes"], check=False, capture_output=True)
    shutil.rmtree(home, ignore_errors=True)


def test_a_missing_containerd_is_named_before_anything_is_made(fresh_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for program in ("sh", "env"):
        (path / program).symlink_to(shutil.which(program) or "/bin/sh")
    done = Instance(fresh_home, 7, {"PATH": str(path)}).up(check=False)
    refused(done, "containerd", "scripts/setup")
    assert not fresh_home.exists()


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_says_so(fresh_home: Path) -> None:
    """The home is a small file system: writes fail with a sentence when it is full, and work again when there is room."""
    fresh_home.mkdir()
    image = fresh_home.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(160 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(fresh_home)], check=True)
    small = Instance(fresh_home, 8)
    try:
        small.up("--no-platform")
        small.kubectl("create", "configmap", "before", "--from-literal=a=1")
        ballast = fresh_home / "ballast"
        subprocess.run(
            ["sh", "-c", f"dd if=/dev/zero of={ballast} bs=1M 2>/dev/null; dd if=/dev/zero of={ballast}2 bs=1k 2>/dev/null"], check=False
        )
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "c-"}, "data": {"x": "y" * 900_000}})
        failed = [small.kubectl("create", "-f", "-", input=body, check=False) for _ in range(12)]
        said = [done.stderr for done in failed if done.returncode != 0]
        assert said, "the disk did not fill up"
        assert "no space" in said[-1].lower() or "full" in said[-1].lower(), said[-1]
        ballast.unlink()
        Path(f"{ballast}2").unlink()
        eventually(lambda: small.kubectl("create", "configmap", "after", "--from-literal=a=1", check=False).returncode == 0)
        names = {c["metadata"]["name"] for c in small.get("configmaps")["items"]}
        assert {"before", "after"} <= names
    finally:
        small.ph("destroy", "--yes", check=False)
        subprocess.run(["umount", "--lazy", str(fresh_home)], check=False)
        image.unlink()
