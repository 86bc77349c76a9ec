import base64
from pathlib import Path

import pytest

from tests.clients.kubectl import Kubectl, documents
from tests.clients.objects import config_map, deployment


def test_create_deployment_makes_pods_that_become_ready(kubectl: Kubectl) -> None:
    assert kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=2", "--port=8080") == "deployment.apps/web created\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    assert kubectl.json("get", "deployment", "web")["status"]["readyReplicas"] == 2
    (container,) = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["ports"]) == ("nginx:1", [{"containerPort": 8080, "protocol": "TCP"}])


def test_create_of_what_is_there_says_so(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=a=1")
    said = kubectl.refused("create", "configmap", "settings", "--from-literal=a=1")
    assert said == 'error: failed to create configmap: configmaps "settings" already exists\n'


def test_create_configmap_takes_literals_and_files(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>hello</p>\n")
    (tmp_path / "picture.bin").write_bytes(b"\xff\xfe\x00")
    kubectl("create", "configmap", "settings", "--from-literal=mode=live", f"--from-file={tmp_path}")
    made = kubectl.json("get", "cm", "settings")
    assert made["data"] == {"mode": "live", "page.html": "<p>hello</p>\n"}
    assert made["binaryData"] == {"picture.bin": base64.b64encode(b"\xff\xfe\x00").decode()}


def test_create_secret_encodes_its_values(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "key", "--from-literal=password=sesame")
    made = kubectl.json("get", "secret", "key")
    assert made["type"] == "Opaque"
    assert base64.b64decode(made["data"]["password"]) == b"sesame"


def test_create_registry_secret_has_its_type(kubectl: Kubectl) -> None:
    credentials = ("--docker-username=me", "--docker-password=pw", "--docker-server=registry.example")
    kubectl("create", "secret", "docker-registry", "pull", *credentials)
    assert kubectl.json("get", "secret", "pull")["type"] == "kubernetes.io/dockerconfigjson"


def test_a_cron_job_is_created_shown_and_run_at_once(kubectl: Kubectl) -> None:
    kubectl("create", "cronjob", "nightly", "--image=busybox", "--schedule=30 3 * * *", "--", "true")
    assert kubectl("get", "cronjob", "nightly", "--no-headers").split()[:6] == ["nightly", "30", "3", "*", "*", "*"]
    kubectl("create", "job", "now", "--from=cronjob/nightly")
    kubectl("wait", "--for=condition=Complete", "job/now", "--timeout=15s")
    assert kubectl.json("get", "job", "now")["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert "30 3 * * *" in kubectl("describe", "cronjob", "nightly")


def test_create_namespace_and_delete_it(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-more"
    assert kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    assert kubectl("delete", "namespace", name, "--timeout=15s") == f'namespace "{name}" deleted\n'


def test_create_job_runs_to_completion(kubectl: Kubectl) -> None:
    kubectl("create", "job", "once", "--image=busybox", "--", "true")
    kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=15s")
    assert kubectl.json("get", "job", "once")["status"]["succeeded"] == 1


def test_create_service_of_each_type(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "inside", "--tcp=80:8080")
    kubectl("create", "service", "nodeport", "outside", "--tcp=80:8080")
    kubectl("create", "service", "externalname", "alias", "--external-name=example.com")
    kubectl("create", "service", "clusterip", "headless", "--clusterip=None", "--tcp=80")
    specs = {each["metadata"]["name"]: each["spec"] for each in kubectl.json("get", "services")["items"]}
    assert specs["inside"]["clusterIP"].startswith("10.96.")
    assert 30000 <= specs["outside"]["ports"][0]["nodePort"] <= 32767
    assert specs["alias"]["externalName"] == "example.com"
    assert specs["headless"]["clusterIP"] == "None"


def test_create_ingress_from_a_rule(kubectl: Kubectl) -> None:
    kubectl("create", "ingress", "web", "--rule=shop.example.com/*=web:80,tls=cert")
    (rule,) = kubectl.json("get", "ingress", "web")["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "web", "port": {"number": 80}}


def test_create_quota_is_counted(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "few", "--hard=configmaps=2")
    kubectl("wait", "--for=jsonpath={.status.hard.configmaps}=2", "quota/few", "--timeout=15s")
    kubectl("create", "configmap", "second")
    assert "exceeded quota: few" in kubectl.refused("create", "configmap", "third")


def test_create_priority_class(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-high"
    kubectl("create", "priorityclass", name, "--value=1000", "--description=first")
    assert kubectl.json("get", "priorityclass", name)["value"] == 1000
    kubectl("delete", "priorityclass", name)


def test_client_dry_run_creates_nothing(kubectl: Kubectl) -> None:
    shown = kubectl("create", "deployment", "web", "--image=nginx", "--dry-run=client", "-o", "yaml")
    assert "kind: Deployment" in shown
    assert kubectl("get", "deployments", "-o", "name") == ""


def test_server_dry_run_of_create_stores_nothing(kubectl: Kubectl) -> None:
    assert kubectl("create", "configmap", "settings", "--dry-run=server") == "configmap/settings created (server dry run)\n"
    assert "NotFound" in kubectl.refused("get", "cm", "settings")


def test_create_from_a_file_with_a_generated_name(kubectl: Kubectl) -> None:
    wanted = config_map("")
    wanted["metadata"] = {"generateName": "settings-"}
    made = kubectl("create", "-f", "-", "-o", "name", stdin=documents(wanted)).strip()
    assert made.startswith("configmap/settings-")
    assert len(made) == len("configmap/settings-") + 5


def test_run_starts_a_pod(kubectl: Kubectl) -> None:
    assert kubectl("run", "calm", "--image=nginx", "--labels=tier=front", "--env=MODE=live") == "pod/calm created\n"
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")


def test_run_dry_run_prints_the_pod(kubectl: Kubectl) -> None:
    assert kubectl("run", "calm", "--image=nginx", "--dry-run=server", "-o", "jsonpath={.spec.restartPolicy}") == "Always"
    assert kubectl("get", "pods", "-o", "name") == ""


def test_expose_makes_a_service_for_the_pods_of_a_deployment(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web", ports=[{"containerPort": 8080}]))
    assert kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    assert kubectl.json("get", "service", "web")["spec"]["selector"] == {"app": "web"}


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        (["image", "deployment/web", "main=nginx:2"], "{.spec.template.spec.containers[0].image}", "nginx:2"),
        (["env", "deployment/web", "MODE=live"], "{.spec.template.spec.containers[0].env[0].value}", "live"),
        (["resources", "deployment/web", "--limits=cpu=200m"], "{.spec.template.spec.containers[0].resources.limits.cpu}", "200m"),
        (["serviceaccount", "deployment/web", "robot"], "{.spec.template.spec.serviceAccountName}", "robot"),
    ],
)
def test_set_changes_the_pod_template(kubectl: Kubectl, change: list[str], path: str, expected: str) -> None:
    kubectl.apply(deployment("web"))
    kubectl("set", *change)
    assert kubectl("get", "deployment", "web", "-o", f"jsonpath={path}") == expected


def test_set_selector_of_a_service(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "web", "--tcp=80")
    kubectl("set", "selector", "service/web", "tier=front")
    assert kubectl.json("get", "service", "web")["spec"]["selector"] == {"tier": "front"}
