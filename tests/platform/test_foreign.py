"""`ph run platform` as a process of its own, on a cluster of which it knows a kubeconfig and nothing else."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.kubectl import Api

ROOT = Path(__file__).parents[2]
END_S = 20.0
APP_PATH = "/apis/apps.pilothouse.dev/v1/namespaces/default/apps"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/apps.apps.pilothouse.dev"
LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/pilothouse-platform"


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's, of a cluster with controllers and a node that is played."""
    folder = tmp_path_factory.mktemp("foreign")
    argv = [sys.executable, "-m", "tests.clients.serve", str(folder)]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n", (folder / "server.log").read_text()
            yield folder / "admin.kubeconfig"
        finally:
            server.stdin.close()
            try:
                server.wait(END_S)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> Api:
    return Api(kubeconfig)


def command(kubeconfig: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pilothouse.cli", "run", "platform", "--kubeconfig", str(kubeconfig), *options]


class Running:
    """A platform's process. said: what it has printed so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said = ""

    def says(self, text: str) -> None:
        """Read on until a line contains the text."""
        assert self.process.stderr is not None
        while text not in (line := self.process.stderr.readline()):
            assert line, f"it ended without saying {text!r}: {self.said}"
            self.said += line
        self.said += line

    def ends(self, number: int) -> int:
        """Send it the signal; its exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=END_S)
        return self.process.returncode


@contextmanager
def platform(kubeconfig: Path, *options: str) -> Iterator[Running]:
    with subprocess.Popen(command(kubeconfig, *options), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process)
        finally:
            process.terminate()  # not killed: the next one would wait for its lease
            try:
                process.communicate(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def refused(kubeconfig: Path) -> str:
    """The one sentence of a platform that cannot begin."""
    done = subprocess.run(command(kubeconfig), cwd=ROOT, capture_output=True, text=True, timeout=END_S, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def with_token(kubeconfig: Path, token: str) -> Path:
    """The same cluster for another user."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    changed = kubeconfig.with_name("other.kubeconfig")
    changed.write_text(yaml.safe_dump(config))
    return changed


def is_ready(app: Any) -> bool:
    conditions = (app.get("status") or {}).get("conditions") or []
    observed = (app.get("status") or {}).get("observedGeneration") == app["metadata"]["generation"]
    return observed and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def test_an_app_becomes_its_objects_and_keeps_its_status(kubeconfig: Path, api: Api) -> None:
    with platform(kubeconfig, "--domain", "apps.example.org", "--ingress-class", "nginx") as running:
        running.says("the platform runs on")
        assert running.process.poll() is None
        api("POST", APP_PATH, {**_typed("shop"), "spec": {"image": "web:1", "replicas": 2}})
        app = api.until(f"{APP_PATH}/shop", is_ready)
        assert (app["status"]["url"], app["status"]["readyReplicas"]) == ("http://shop.apps.example.org", 2)
        ingress = api.get("/apis/networking.k8s.io/v1/namespaces/default/ingresses/shop")
        assert ingress["spec"]["ingressClassName"] == "nginx"
        assert api.get("/api/v1/namespaces/default/services/shop")["kind"] == "Service"
        pod_spec = api.get("/apis/apps/v1/namespaces/default/deployments/shop")["spec"]["template"]["spec"]
        assert pod_spec["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
        assert running.ends(signal.SIGTERM) == 0
    assert api.get("/apis/apps/v1/namespaces/default/deployments/shop")["spec"]["replicas"] == 2


def test_it_starts_again_without_a_change_to_anything(kubeconfig: Path, api: Api) -> None:
    api("POST", APP_PATH, {**_typed("again"), "spec": {"image": "web:1", "port": 9000, "env": {"A": ""}, "resources": {"cpu": "0.5"}}})
    with platform(kubeconfig) as running:
        api.until(f"{APP_PATH}/again", is_ready)
        assert running.ends(signal.SIGTERM) == 0
    paths = [f"{APP_PATH}/again", "/apis/apps/v1/namespaces/default/deployments/again", CRD_PATH]
    before = [api.get(path)["metadata"]["resourceVersion"] for path in paths]
    with platform(kubeconfig) as running:
        running.says("the platform runs on")
        api("POST", APP_PATH, {**_typed("later"), "spec": {"image": "web:1"}})
        api.until(f"{APP_PATH}/later", is_ready)
        assert [api.get(path)["metadata"]["resourceVersion"] for path in paths] == before


def test_a_second_one_waits_and_takes_over_when_the_first_is_asked_to_end(kubeconfig: Path, api: Api) -> None:
    with platform(kubeconfig) as first, platform(kubeconfig) as second:
        first_leads = f"_{first.process.pid}_"
        api.until(LEASE_PATH, lambda lease: (lease.get("spec") or {}).get("holderIdentity"))
        leader, standby = (first, second) if first_leads in api.get(LEASE_PATH)["spec"]["holderIdentity"] else (second, first)
        leader.says("the platform runs on")
        standby.says('"event":"waits"')
        assert leader.ends(signal.SIGINT) == 0
        standby.says("the platform runs on")
        assert f"_{standby.process.pid}_" in api.get(LEASE_PATH)["spec"]["holderIdentity"]
        assert standby.ends(signal.SIGTERM) == 0
    assert api.get(LEASE_PATH)["spec"]["holderIdentity"] == ""


def test_one_that_waits_ends_as_quietly_as_one_that_leads(kubeconfig: Path, api: Api) -> None:
    with platform(kubeconfig) as leader:
        leader.says("the platform runs on")
        with platform(kubeconfig) as standby:
            standby.says('"event":"waits"')
            assert standby.ends(signal.SIGTERM) == 0
        assert f"_{leader.process.pid}_" in api.get(LEASE_PATH)["spec"]["holderIdentity"]


def test_an_older_definition_is_brought_up_to_date(kubeconfig: Path, api: Api) -> None:
    with platform(kubeconfig) as running:
        running.says("the platform runs on")
        assert running.ends(signal.SIGTERM) == 0
    old = api.get(CRD_PATH)
    del old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["health"]
    assert api("PUT", CRD_PATH, old)["kind"] == "CustomResourceDefinition"
    with platform(kubeconfig) as running:
        running.says("the platform runs on")
        spec = api.get(CRD_PATH)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        assert "health" in spec["properties"]


def test_a_source_without_a_registry_says_what_to_do(kubeconfig: Path, api: Api) -> None:
    api(
        "POST", APP_PATH.replace("default", "kube-public"), {**_typed("built"), "spec": {"source": {"git": {"url": "https://x.example/a"}}}}
    )
    with platform(kubeconfig):
        found = api.until(f"{APP_PATH.replace('default', 'kube-public')}/built", lambda app: (app.get("status") or {}).get("conditions"))
    assert {(c["type"], c["reason"]) for c in found["status"]["conditions"]} == {("Built", "NoRegistry"), ("Ready", "NoRegistry")}


def test_a_user_without_rights_is_told_which_are_missing(kubeconfig: Path, api: Api) -> None:
    token = api("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})["status"]["token"]
    told = refused(with_token(kubeconfig, token))
    assert "is not allowed to: get, create, update leases.coordination.k8s.io in namespace kube-system" in told
    assert "list, watch, create, patch, delete deployments.apps in all namespaces" in told


def test_credentials_that_are_refused_are_named(kubeconfig: Path) -> None:
    other = with_token(kubeconfig, "nobody's")
    assert f"does not accept the credentials of {other}" in refused(other)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "no kubeconfig at"),
        ("- a list\n", "is not a kubeconfig"),
        (
            json.dumps(
                {
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c"}}],
                    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
                }
            ),
            "cannot be reached: connection refused",
        ),
    ],
    ids=["no file", "no kubeconfig", "no server"],
)
def test_a_kubeconfig_that_leads_nowhere_is_one_sentence(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    assert told in refused(path)


def _typed(name: str) -> dict[str, Any]:
    return {"apiVersion": "apps.pilothouse.dev/v1", "kind": "App", "metadata": {"name": name}}
