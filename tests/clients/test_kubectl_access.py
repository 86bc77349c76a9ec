import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.clients.kubectl import Kubectl


@pytest.fixture
def reader(kubectl: Kubectl) -> str:
    """A service account that may read pods in its namespace; its user name."""
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "reading", "--verb=get,list,watch", "--resource=pods")
    kubectl("create", "rolebinding", "reading", "--role=reading", f"--serviceaccount={kubectl.namespace}:reader")
    return f"system:serviceaccount:{kubectl.namespace}:reader"


def signed_in_with(kubectl: Kubectl, token: str, folder: Path) -> Kubectl:
    """kubectl with a token in the place of the administrator's certificate."""
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return replace(kubectl, kubeconfig=path)


def test_whoami_names_the_administrator(kubectl: Kubectl) -> None:
    user = kubectl.json("auth", "whoami")["status"]["userInfo"]
    assert user["username"] == "admin"
    assert user["groups"] == ["pilothouse:admins", "system:authenticated"]


def test_the_administrator_may_do_everything(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "*", "*", "--all-namespaces") == "yes\n"


def test_a_role_grants_what_it_names_and_no_more(kubectl: Kubectl, reader: str) -> None:
    assert kubectl("auth", "can-i", "list", "pods", "--as", reader) == "yes\n"
    assert kubectl.attempt("auth", "can-i", "delete", "pods", "--as", reader).stdout == "no\n"
    assert kubectl.attempt("auth", "can-i", "list", "pods", "-n", "default", "--as", reader).stdout == "no\n"


def test_can_i_list_shows_the_rules(kubectl: Kubectl, reader: str) -> None:
    rows = [line.split() for line in kubectl("auth", "can-i", "--list", "--as", reader).splitlines()]
    assert ["pods", "[]", "[]", "[get", "list", "watch]"] in rows


def test_impersonation_gives_the_rights_of_the_other(kubectl: Kubectl, reader: str) -> None:
    kubectl("get", "pods", "--as", reader)
    said = kubectl.refused("get", "secrets", "--as", reader)
    expected = (
        f'secrets is forbidden: User "{reader}" cannot list resource "secrets" in API group "" in the namespace "{kubectl.namespace}"'
    )
    assert expected in said


def test_impersonated_groups_count(kubectl: Kubectl) -> None:
    kubectl("create", "rolebinding", "viewers", "--clusterrole=view", "--group=viewers")
    kubectl("get", "configmaps", "--as=someone", "--as-group=viewers")
    kubectl.refused("get", "configmaps", "--as=someone")


def test_token_of_a_service_account_signs_it_in(kubectl: Kubectl, reader: str, tmp_path: Path) -> None:
    signed_in = signed_in_with(kubectl, kubectl("create", "token", "reader", "--duration=20m").strip(), tmp_path)
    assert signed_in.json("auth", "whoami")["status"]["userInfo"]["username"] == reader
    signed_in("get", "pods")
    assert "Forbidden" in signed_in.refused("get", "secrets")


def test_token_names_its_audience_and_its_account(kubectl: Kubectl, reader: str) -> None:
    token = kubectl("create", "token", "reader", "--audience=vault")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["aud"] == ["vault"]
    assert claims["sub"] == reader


def test_a_wrong_token_is_refused(kubectl: Kubectl, tmp_path: Path) -> None:
    assert "You must be logged in to the server" in signed_in_with(kubectl, "nonsense", tmp_path).refused("get", "pods")


def test_a_role_cannot_be_given_by_one_who_lacks_its_rights(kubectl: Kubectl, reader: str) -> None:
    kubectl("create", "role", "binding", "--verb=create", "--resource=roles.rbac.authorization.k8s.io")
    kubectl("create", "rolebinding", "binding", "--role=binding", f"--serviceaccount={kubectl.namespace}:reader")
    said = kubectl.refused("create", "role", "more", "--verb=delete", "--resource=secrets", "--as", reader)
    assert "is attempting to grant RBAC permissions not currently held" in said


def test_auth_reconcile_adds_the_missing_rules(kubectl: Kubectl, reader: str) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reading", "namespace": kubectl.namespace},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    }
    kubectl("auth", "reconcile", "-f", "-", stdin=yaml.safe_dump(role))
    assert kubectl("auth", "can-i", "get", "configmaps", "--as", reader) == "yes\n"
    assert kubectl("auth", "can-i", "get", "pods", "--as", reader) == "yes\n"


def test_create_clusterrole_with_a_url(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-health"
    kubectl("create", "clusterrole", name, "--verb=get", "--non-resource-url=/metrics")
    kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=prober")
    assert kubectl("auth", "can-i", "get", "/metrics", "--as=prober") == "yes\n"
    kubectl("delete", "clusterrole,clusterrolebinding", name)
