import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.client import kubeconfig, kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig, KubeconfigError

PEM = b"-----BEGIN CERTIFICATE-----\n"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def document(name: str = "one", cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"} | (cluster or {})}],
        "users": [{"name": name, "user": {"token": "t"} if user is None else user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    } | more


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_current_context_is_loaded(tmp_path: Path) -> None:
    cluster = {"certificate-authority-data": encoded(PEM), "tls-server-name": "kubernetes", "proxy-url": "http://proxy:3128"}
    path = write(tmp_path / "config", document(cluster=cluster))
    assert kubeconfig.load(path) == Kubeconfig(
        "https://one:6443",
        context="one",
        source=str(path),
        certificate_authority=PEM,
        tls_server_name="kubernetes",
        proxy_url="http://proxy:3128",
        token="t",
    )


def test_whom_the_user_speaks_for_is_loaded(tmp_path: Path) -> None:
    user = {"as": "jane", "as-uid": "u", "as-groups": ["a", "b"], "as-user-extra": {"scopes": ["x", "y"]}}
    found = kubeconfig.load(write(tmp_path / "config", document(user=user)))
    assert (found.impersonate, found.impersonate_uid, found.impersonate_groups) == ("jane", "u", ("a", "b"))
    assert found.impersonate_extra == (("scopes", "x"), ("scopes", "y"))


def test_another_context_can_be_asked_for(tmp_path: Path) -> None:
    content = document()
    content["contexts"].append({"name": "two", "context": {"cluster": "one", "namespace": "apps"}})
    found = kubeconfig.load(write(tmp_path / "config", content), "two")
    assert (found.namespace, found.token) == ("apps", None)


def test_without_a_path_it_is_the_file_in_the_home_directory(tmp_path: Path) -> None:
    write(tmp_path / "home" / ".kube" / "config", document("home"))
    assert kubeconfig.load().server == "https://home:6443"


def test_of_several_files_the_first_to_name_a_thing_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "a", document("shared", {"server": "https://first"}))
    second = write(tmp_path / "b", document("shared", {"server": "https://second"}) | {"current-context": "x"})
    third = write(tmp_path / "c", document("other"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{first}:{second}:{third}")
    assert kubeconfig.load().server == "https://first"
    assert kubeconfig.load(context="other").server == "https://other:6443"


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    for name in ("ca", "crt", "key"):
        (tmp_path / "pki" / name).write_bytes(name.encode())
    user = {"client-certificate": "pki/crt", "client-key": "pki/key", "tokenFile": "token"}
    found = kubeconfig.load(write(tmp_path / "config", document(cluster={"certificate-authority": "pki/ca"}, user=user)))
    assert (found.certificate_authority, found.client_certificate, found.client_key) == (b"ca", b"crt", b"key")
    assert found.token_file == tmp_path / "token"


def test_an_exec_plugin_with_a_path_is_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    user = {"exec": {"command": "bin/login", "args": ["--fast"], "env": [{"name": "A", "value": "b"}]}}
    found = kubeconfig.load(write(tmp_path / "config", document(user=user))).exec
    assert found is not None
    assert (found.command, found.args, found.env) == (str(tmp_path / "bin/login"), ("--fast",), (("A", "b"),))


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    assert "topsecret" not in repr(Kubeconfig("https://x", token="topsecret", password="topsecret", client_key=b"topsecret"))


BAD = {
    "not YAML": ("clusters: [", "{path} is not YAML: "),
    "not a kubeconfig": ("kind: Pod", "{path} is not a kubeconfig: it has no `kind: Config`"),
    "a list": ("- a", "{path} is not a kubeconfig: "),
    "empty": ("", "{path}: current-context is not set; "),
    "nameless entry": ({"contexts": [{}], "current-context": "a"}, "{path}: contexts must be a list of entries with a name"),
    "unknown context": (document() | {"current-context": "gone"}, "{path}: no context 'gone' (the context asked for); known: one"),
    "unknown cluster": (document() | {"clusters": []}, "{path}: no cluster 'one' (context 'one' of {path}); known: none"),
    "unknown user": (document() | {"users": []}, "{path}: no user 'one' (context 'one' of {path}); known: none"),
    "context without cluster": (
        document() | {"contexts": [{"name": "one", "context": {}}]},
        "context 'one' of {path}: cluster is not set",
    ),
    "no URL": (
        document(cluster={"server": "one:6443"}),
        "{path}: cluster 'one': server 'one:6443' is not a URL; it must begin with https://",
    ),
    "no base64": (document(cluster={"certificate-authority-data": "%"}), "{path}: cluster 'one': certificate-authority-data is not base64"),
    "absent file": (
        document(cluster={"certificate-authority": "ca.crt"}),
        "certificate-authority of cluster 'one' in {path}: {dir}/ca.crt cannot be read: no such file or directory",
    ),
    "half a pair": (
        document(user={"client-certificate-data": encoded(PEM)}),
        "{path}: user 'one': client-key (or client-key-data) is missing; a client certificate needs both",
    ),
    "auth provider": (document(user={"auth-provider": {"name": "gcp"}}), "{path}: user 'one': auth-provider is no longer part of"),
    "socks": (document(cluster={"proxy-url": "socks5://x"}), "{path}: cluster 'one': proxy-url 'socks5://x' is not supported; use"),
    "plugin without command": (document(user={"exec": {"args": []}}), "{path}: user 'one': exec.command is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_kubeconfig_is_one_sentence_with_file_and_field(tmp_path: Path, case: str) -> None:
    content, complaint = BAD[case]
    path = write(tmp_path / "config", content)
    with pytest.raises(KubeconfigError) as caught:
        kubeconfig.load(path)
    assert str(caught.value).startswith(complaint.format(path=path, dir=tmp_path))
    assert "\n" not in str(caught.value)


def test_no_kubeconfig_at_all_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"no kubeconfig at .*/home/\.kube/config: name one with"):
        kubeconfig.load()


def test_an_unreadable_kubeconfig_says_why(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="cannot be read: is a directory"):
        kubeconfig.load(tmp_path)


def test_inside_a_pod_the_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    for name, content in {"token": "t", "ca.crt": "ca", "namespace": "apps\n"}.items():
        (tmp_path / name).write_text(content)
    found = kubeconfig.in_cluster(tmp_path)
    assert (found.server, found.namespace, found.token_file) == ("https://[fd00::1]:443", "apps", tmp_path / "token")
    assert found.certificate_authority == b"ca"


def test_outside_of_a_pod_there_is_no_service_account(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="not in a pod: "):
        kubeconfig.in_cluster(tmp_path)


def test_what_is_written_is_loaded_again(tmp_path: Path) -> None:
    config = Kubeconfig("https://x:1", certificate_authority=PEM, client_certificate=PEM, client_key=b"key", namespace="apps")
    path = tmp_path / "new" / "config"
    kubeconfig_file.write(path, kubeconfig_file.document(config, "pilothouse"))
    found = kubeconfig.load(path)
    assert (found.server, found.certificate_authority, found.client_key, found.namespace) == ("https://x:1", PEM, b"key", "apps")
    assert path.stat().st_mode & 0o777 == 0o600


def test_merge_keeps_what_is_there_and_a_copy_of_it(tmp_path: Path) -> None:
    old = document("mine", preferences={"colors": True}, extra="kept")
    mine, ours = write(tmp_path / "mine", old), write(tmp_path / "ours", document("ours"))
    backup = kubeconfig_file.merge(mine, ours)
    assert backup is not None
    assert yaml.safe_load(backup.read_text()) == old
    assert backup.stat().st_mode & 0o777 == mine.stat().st_mode & 0o777 == 0o600
    merged = yaml.safe_load(mine.read_text())
    assert [entry["name"] for entry in merged["contexts"]] == ["mine", "ours"]
    assert (merged["extra"], merged["current-context"], merged["preferences"]) == ("kept", "ours", {"colors": True})
    assert kubeconfig.load(mine).server == "https://ours:6443"
    assert kubeconfig.load(mine, "mine").server == "https://mine:6443"


def test_merge_replaces_its_own_entries_where_they_stand(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", document("ours", {"server": "https://old"}))
    write(tmp_path / "two", document("other"))
    kubeconfig_file.merge(mine, tmp_path / "two")
    kubeconfig_file.merge(mine, write(tmp_path / "ours", document("ours")))
    merged = yaml.safe_load(mine.read_text())
    assert [entry["name"] for entry in merged["clusters"]] == ["ours", "other"]
    assert kubeconfig.load(mine, "ours").server == "https://ours:6443"


def test_merge_into_nothing_makes_the_file_with_everything_inline(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(PEM)
    ours = write(tmp_path / "ours", document("ours", {"certificate-authority": "ca"}))
    target = tmp_path / "home" / ".kube" / "config"
    assert kubeconfig_file.merge(target, ours) is None
    assert kubeconfig.load(target).certificate_authority == PEM


def test_a_broken_target_is_left_alone(tmp_path: Path) -> None:
    mine, ours = write(tmp_path / "mine", "clusters: ["), write(tmp_path / "ours", document())
    with pytest.raises(KubeconfigError, match="is not YAML"):
        kubeconfig_file.merge(mine, ours)
    assert mine.read_text() == "clusters: ["


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real = write(tmp_path / "real", document("mine"))
    link = tmp_path / "link"
    link.symlink_to(real)
    kubeconfig_file.merge(link, write(tmp_path / "ours", document("ours")))
    assert link.is_symlink()
    assert len(yaml.safe_load(real.read_text())["contexts"]) == 2
