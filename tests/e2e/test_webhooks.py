"""An admission webhook in a pod behind a Service: asked from the host, gone, and found by the one who has to mend it."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.wire.pki import CertificateAuthority
from tests.e2e.instance import Instance, eventually
from tests.e2e.test_serving import source

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]

JUDGE = """
import http.server, json, ssl

class Judge(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"ok")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["request"]
        allowed = asked["name"] != "bad"
        response = {"uid": asked["uid"], "allowed": allowed, "status": {"message": "bad is no name", "code": 403}}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        self.answer(json.dumps(review).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Judge)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
CONFIGMAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}


@pytest.fixture(scope="module")
def image(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with Python in it: that of an app."""
    instance.ph("deploy", str(source(tmp_path_factory.mktemp("judge"))), timeout=500)
    found: str = instance.get("app", "sick")["status"]["image"]
    return found


def manifests(image: str, namespace: str, authority: CertificateAuthority) -> list[dict[str, Any]]:
    own = authority.issue_server([f"judge.{namespace}.svc"])
    pair = {"tls.crt": own.certificate.decode(), "tls.key": own.key.decode()}
    container = {
        "name": "judge",
        "image": image,
        "command": ["python3", "-c", JUDGE],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": {"app": "judge"}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "tls", "secret": {"secretName": "judge"}}],
            "terminationGracePeriodSeconds": 1,
        },
    }
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "judge"}, "type": "kubernetes.io/tls", "stringData": pair},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "judge"},
            "spec": {"selector": {"matchLabels": {"app": "judge"}}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "judge"},
            "spec": {"selector": {"app": "judge"}, "ports": [{"name": "https", "port": 443, "targetPort": 8443}]},
        },
    ]


def configuration(namespace: str, authority: CertificateAuthority, rule: dict[str, Any]) -> dict[str, Any]:
    bundle = base64.b64encode(authority.certificate).decode()
    hook = {
        "name": "judge.example.com",
        "clientConfig": {"service": {"namespace": namespace, "name": "judge", "path": "/judge"}, "caBundle": bundle},
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "judge"},
        "webhooks": [hook],
    }


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "pki")


@pytest.fixture
def judged(instance: Instance, image: str, namespace: str, authority: CertificateAuthority) -> Iterator[str]:
    """The namespace in which the webhook runs, and whose ConfigMaps it judges."""
    for each in manifests(image, namespace, authority):
        instance.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(each))
    instance.kubectl("-n", namespace, "rollout", "status", "deployment/judge", "--timeout=60s")
    instance.kubectl("apply", "-f", "-", input=json.dumps(configuration(namespace, authority, CONFIGMAPS)))
    yield namespace
    instance.kubectl("delete", "validatingwebhookconfiguration", "judge", "--ignore-not-found")


def create(instance: Instance, namespace: str, name: str) -> str:
    """What kubectl says of a new ConfigMap when it is refused, "" when it is made."""
    done = instance.kubectl("-n", namespace, "create", "configmap", name, check=False)
    return done.stderr if done.returncode else ""


def renewed(instance: Instance) -> str:
    """When the node has last shown that it lives."""
    (lease,) = json.loads(instance.kubectl("-n", "kube-node-lease", "get", "leases", "-o", "json").stdout)["items"]
    return str(lease["spec"]["renewTime"])


def test_a_webhook_in_a_pod_judges_writes_until_it_is_gone_and_is_named_then(instance: Instance, judged: str) -> None:
    assert create(instance, judged, "good") == ""
    assert 'admission webhook "judge.example.com" denied the request: bad is no name' in create(instance, judged, "bad")
    instance.kubectl("-n", judged, "scale", "deployment/judge", "--replicas=0")
    instance.kubectl("-n", judged, "wait", "--for=delete", "pod", "-l", "app=judge", "--timeout=60s")
    assert 'failed calling webhook "judge.example.com"' in create(instance, judged, "other")
    said = instance.ph("status", check=False).stdout
    assert "webhook judge.example.com does not answer" in said
    assert "kubectl delete validatingwebhookconfiguration judge" in said
    instance.kubectl("-n", judged, "scale", "deployment/judge", "--replicas=1")
    instance.kubectl("-n", judged, "rollout", "status", "deployment/judge", "--timeout=60s")
    assert create(instance, judged, "other") == ""
    assert "does not answer" not in instance.ph("status").stdout


@pytest.mark.slow
def test_a_webhook_for_everything_that_is_gone_leaves_the_cluster_alive_and_is_taken_away(
    instance: Instance, judged: str, authority: CertificateAuthority
) -> None:
    instance.kubectl("apply", "-f", "-", input=json.dumps(configuration("gone", authority, EVERYTHING)))
    assert 'service "judge" not found' in create(instance, judged, "any")
    before = renewed(instance)

    def lives() -> bool:
        return renewed(instance) != before

    eventually(lives, 60, 1)
    instance.ph("down")
    instance.ph("up")
    assert "webhook judge.example.com does not answer" in instance.ph("status", check=False).stdout
    instance.kubectl("delete", "validatingwebhookconfiguration", "judge")
    assert create(instance, judged, "any") == ""
    node = json.loads(instance.kubectl("get", "nodes", "-o", "json").stdout)["items"][0]
    assert {each["type"]: each["status"] for each in node["status"]["conditions"]}["Ready"] == "True"
    instance.kubectl("-n", judged, "rollout", "restart", "deployment/judge")
    instance.kubectl("-n", judged, "rollout", "status", "deployment/judge", "--timeout=60s")
