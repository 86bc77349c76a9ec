"""What the runtime is asked for: sandboxes, containers, images, configuration."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.engine.node.check.probes import Timing
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host.cgroups import pod_parent
from pilothouse.engine.node.images.credentials import SecretOf, credentials
from pilothouse.engine.node.images.reference import domain_of, is_reference, pull_policy, repository_of
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.request.container import resources, runs_as_root, security_context
from pilothouse.engine.node.request.sandbox import Resolver, dns, hosts_file, sandbox_config
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.containerd import render
from pilothouse.engine.node.runtime.seam import Image, RuntimeFailure
from pilothouse.engine.streaming.sessions import exit_code
from pilothouse.model.errors import Internal
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec

CONFIG = NodeConfig(home=Path("/var/lib/x"), node_name="n", instance="pilothouse-x", cluster_dns=("10.0.0.10",))
HOST = Resolver(("1.1.1.1",), ("corp",), ("timeout:1",))
GI = 1024**3
IMAGE = Image("sha256:1", (), (), 1)
PROFILES = Path("/var/lib/x/seccomp")


def test_cluster_names_come_first_and_the_hosts_own_after_them() -> None:
    found = dns(pod(), CONFIG, HOST)
    assert list(found.servers) == ["10.0.0.10"]
    assert list(found.searches) == ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"]
    assert list(found.options) == ["ndots:5"]


@pytest.mark.parametrize(
    ("more", "servers"),
    [
        ({"dnsPolicy": "Default"}, ["1.1.1.1"]),
        ({"hostNetwork": True}, ["1.1.1.1"]),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, ["10.0.0.10"]),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"]}}, ["9.9.9.9"]),
    ],
)
def test_other_policies_use_other_servers(more: Object, servers: list[str]) -> None:
    assert list(dns(pod(**more), CONFIG, HOST).servers) == servers


def test_options_of_the_pod_replace_those_of_the_policy() -> None:
    found = dns(pod(dnsConfig={"options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}), CONFIG, HOST)
    assert list(found.options) == ["ndots:2", "edns0"]


def test_resolv_conf_is_read_as_the_resolver_does() -> None:
    assert Resolver.parse("search a b\n#x\nnameserver 1.1.1.1\noptions ndots:1 rotate\nsearch c\n") == Resolver(
        ("1.1.1.1",), ("c",), ("ndots:1", "rotate")
    )


def test_the_sandbox_lies_in_the_instances_cgroup() -> None:
    made = sandbox_config(pod(), 3, CONFIG, HOST)
    assert made.metadata.attempt == 3
    assert CONFIG.instance.replace("-", "_") in made.linux.cgroup_parent.replace("-", "_")
    assert made.linux.security_context.namespace_options.pid == api.CONTAINER


def test_namespaces_are_shared_as_the_pod_says() -> None:
    made = sandbox_config(pod(hostNetwork=True, hostPID=True, hostIPC=True), 0, CONFIG, HOST)
    found = made.linux.security_context.namespace_options
    assert (found.network, found.pid, found.ipc) == (api.NODE, api.NODE, api.NODE)
    assert made.hostname == ""


def test_hosts_file_names_the_pod_and_its_aliases() -> None:
    wanted = pod(hostname="h", subdomain="s", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}])
    text = hosts_file(wanted, ("10.0.0.5",), CONFIG, "")
    assert "10.0.0.5\th.s.ns.svc.cluster.local\th\n" in text
    assert text.endswith("# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"hostname": "h", "subdomain": "s"}, "h"),
        ({"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True}, "h.s.ns.svc.cluster.local"),
        ({"hostname": "h", "setHostnameAsFQDN": True}, "h"),
        ({"hostname": "h", "subdomain": "s", "hostnameOverride": "db.example.com"}, "db.example.com"),
        ({"hostnameOverride": "a" * 31 + "." + "b" * 32}, "a" * 31 + "." + "b" * 32),
        ({"hostname": "h", "hostNetwork": True}, ""),
    ],
)
def test_the_kernel_is_told_the_name_that_the_pod_asks_for(more: Object, said: str) -> None:
    assert sandbox_config(pod(**more), 0, CONFIG, HOST).hostname == said


def test_a_name_that_was_asked_for_has_no_domain() -> None:
    text = hosts_file(pod(hostnameOverride="db.example.com", subdomain="s"), ("10.0.0.5",), CONFIG, "")
    assert "10.0.0.5\tdb.example.com\n" in text


def test_a_whole_name_that_the_kernel_cannot_hold_is_refused() -> None:
    wanted = pod(hostname="h" * 30, subdomain="s" * 30, setHostnameAsFQDN=True)
    with pytest.raises(RuntimeFailure, match=r"is too long \(64 is the max, 82 requested\)"):
        sandbox_config(wanted, 0, CONFIG, HOST)


def test_limits_become_quota_shares_and_bytes() -> None:
    wanted = spec(resources={"limits": {"cpu": "250m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}})
    found = resources(pod(wanted), wanted, GI)
    assert (found.cpu_quota, found.cpu_period, found.cpu_shares, found.memory_limit_in_bytes) == (25_000, 100_000, 102, 64 * 1024 * 1024)
    assert found.oom_score_adj == 969


def test_limits_beyond_all_bounds_are_the_highest_that_can_be_said() -> None:
    wanted = spec(resources={"limits": {"cpu": "10E", "memory": "100E"}})
    found = resources(pod(wanted), wanted, GI)
    assert (found.cpu_quota, found.memory_limit_in_bytes) == (2**63 - 1, 2**63 - 1)


@pytest.mark.parametrize(
    ("given", "quality", "score"),
    [
        ({}, "BestEffort", 1000),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed", -997),
        ({"requests": {"cpu": "1"}}, "Burstable", 999),
    ],
)
def test_the_quality_of_service_decides_who_is_killed_first(given: Object, quality: str, score: int) -> None:
    wanted = spec(resources=given)
    assert podspec.qos_class(pod(wanted)) == quality
    assert resources(pod(wanted), wanted, GI).oom_score_adj == score


def test_the_containers_own_security_context_wins() -> None:
    wanted = spec(securityContext={"runAsUser": 5, "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}})
    found = security_context(pod(wanted, securityContext={"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3}), wanted, IMAGE, PROFILES)
    assert (found.run_as_user.value, found.run_as_group.value, list(found.supplemental_groups)) == (5, 2, [3])
    assert list(found.capabilities.drop_capabilities) == ["ALL"]
    assert found.seccomp.profile_type == api.SecurityProfile.RuntimeDefault
    assert "/proc/kcore" in found.masked_paths


@pytest.mark.parametrize(
    ("uid", "username", "expected"), [(1000, "", (1000, "", 3000)), (None, "web", (0, "web", 3000)), (0, "", (0, "", 3000))]
)
def test_a_container_that_changes_its_group_keeps_the_images_user(uid: int | None, username: str, expected: tuple[int, str, int]) -> None:
    wanted = spec(securityContext={"runAsGroup": 3000})
    found = security_context(pod(wanted), wanted, replace(IMAGE, uid=uid, username=username), PROFILES)
    assert (found.run_as_user.value, found.run_as_username, found.run_as_group.value) == expected
    assert found.HasField("run_as_user") is (not username)


def test_the_image_decides_the_user_where_the_pod_does_not() -> None:
    found = security_context(pod(), spec(), replace(IMAGE, uid=1000), PROFILES)
    assert not found.HasField("run_as_user")
    assert not found.HasField("run_as_group")


def test_a_seccomp_profile_of_the_node_is_found_below_the_state_directory() -> None:
    wanted = spec(securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "web/audit.json"}})
    found = security_context(pod(wanted), wanted, IMAGE, PROFILES)
    assert found.seccomp.localhost_ref == "/var/lib/x/seccomp/web/audit.json"
    assert CONFIG.seccomp_dir == PROFILES


def test_parts_of_proc_stay_masked_for_the_nodes_own_users_whatever_is_asked() -> None:
    wanted = spec(securityContext={"procMount": "Unmasked"})
    found = security_context(pod(wanted), wanted, IMAGE, PROFILES)
    assert "/proc/sys" in found.readonly_paths
    assert "/proc/kcore" in found.masked_paths


def test_a_privileged_container_is_not_confined() -> None:
    wanted = spec(securityContext={"privileged": True})
    found = security_context(pod(wanted), wanted, IMAGE, PROFILES)
    assert found.seccomp.profile_type == api.SecurityProfile.Unconfined
    assert not found.masked_paths


@pytest.mark.parametrize(
    ("user", "uid", "name", "refused"),
    [(None, 0, "", True), (None, 1, "", False), (None, None, "web", True), (7, 0, "", False), (0, 1, "", True)],
)
def test_root_is_refused_where_it_is_not_allowed(user: int | None, uid: int | None, name: str, refused: bool) -> None:
    context = {"runAsNonRoot": True} | ({} if user is None else {"runAsUser": user})
    wanted = spec(securityContext=context)
    assert bool(runs_as_root(pod(wanted), wanted, uid, name)) is refused


@pytest.mark.parametrize(
    ("image", "domain"),
    [
        ("nginx", "docker.io"),
        ("a/b:1", "docker.io"),
        ("localhost/x", "localhost"),
        ("r.example.com:5000/a/b@sha256:" + "0" * 64, "r.example.com:5000"),
    ],
)
def test_images_are_pulled_from_the_registry_that_they_name(image: str, domain: str) -> None:
    assert is_reference(image)
    assert domain_of(image) == domain


@pytest.mark.parametrize("image", ["", "Upper", "a b", "a:b:c", "-x", "a@sha256:1"])
def test_what_is_no_image_name(image: str) -> None:
    assert not is_reference(image)


def test_a_floating_tag_is_always_pulled() -> None:
    images = {"a": "Always", "a:latest": "Always", "a:1": "IfNotPresent", "r:5000/a": "Always", "a@sha256:" + "0" * 64: "IfNotPresent"}
    assert {image: pull_policy({"image": image}) for image in images} == images


def test_pull_secrets_are_for_the_registry_that_they_name() -> None:
    auth = base64.b64encode(b"me:word").decode()
    document = json.dumps({"auths": {"https://r.example.com": {"auth": auth}, "other": {"username": "no"}}})
    metadata = {"uid": "u", "namespace": "n", "name": "s"}
    secret = {"metadata": metadata, "data": {".dockerconfigjson": base64.b64encode(document.encode()).decode()}}
    found = credentials("r.example.com/a:1", [secret, {"metadata": metadata, "data": {".dockerconfigjson": "!"}}])
    assert [(each.auth.username, each.auth.password) for each in found] == [("me", "word")]
    assert [each.secret for each in found] == [SecretOf("u", "n", "s")]
    assert "word" not in repr(found)


@pytest.mark.parametrize(
    "document",
    [[], "x", {"auths": []}, {"auths": {"r.example.com": "x"}}, {"auths": {"r.example.com": {"auth": "a", "username": 1, "password": []}}}],
)
def test_pull_secrets_that_hold_something_else_break_nothing(document: object) -> None:
    data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
    secret = {"metadata": {"uid": "u", "namespace": "n", "name": "s"}, "data": data}
    assert [each.auth.username for each in credentials("r.example.com/a:1", [secret])] in ([], [""])


def test_probe_settings_have_upstreams_defaults() -> None:
    assert Timing.of({}) == Timing(0, 10, 1, 1, 3)


def test_the_configuration_keeps_to_the_state_directory() -> None:
    text = render(CONFIG)
    assert 'root = "/var/lib/x/containerd/root"' in text
    assert 'conf_dir = "/var/lib/x/cni/net.d"' in text
    assert 'config_path = "/var/lib/x/containerd/certs.d"' in text
    assert "/run/containerd" not in text


def test_two_state_directories_never_share_a_cgroup() -> None:
    assert pod_parent(CONFIG.instance, "u") != pod_parent("pilothouse-y", "u")


def test_the_error_stream_says_how_a_process_ended() -> None:
    failed = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}
    assert exit_code(b'{"status":"Success"}') == 0
    assert exit_code(json.dumps(failed).encode()) == 3
    with pytest.raises(Internal, match="no such"):
        exit_code(b'{"status":"Failure","message":"no such file"}')


def test_an_images_repository_is_its_name_without_tag_and_digest() -> None:
    digest, library = "@sha256:" + "0" * 64, "docker.io/library/"
    images = {"a": f"{library}a", "docker.io/a:1": f"{library}a", "sha256:0123": f"{library}sha256", f"a/b:1{digest}": "docker.io/a/b"}
    images |= {"r:5000/a": "r:5000/a", f"r:5000/a/b:1{digest}": "r:5000/a/b", f"r.io/a{digest}": "r.io/a", "localhost/a": "localhost/a"}
    assert {image: repository_of(image) for image in images} == images


def test_a_pod_is_given_no_more_name_servers_and_searches_than_resolvers_take() -> None:
    host = Resolver(("1.1.1.1", "2.2.2.2"), tuple(f"d{number}.example" for number in range(30)))
    more = {
        "dnsConfig": {"nameservers": ["3.3.3.3", "4.4.4.4"], "searches": ["x.example"] * 2 + [f"y{number}.example" for number in range(9)]}
    }
    found = dns(pod(dnsPolicy="Default", **more), CONFIG, host)
    assert list(found.servers) == ["1.1.1.1", "2.2.2.2", "3.3.3.3"]
    assert len(found.searches) == 32
    assert found.searches[30] == "x.example"
    wide = dns(pod(dnsPolicy="None", dnsConfig={"searches": [f"{number}".rjust(200, "a") for number in range(20)]}), CONFIG, host)
    assert len(" ".join(wide.searches)) <= 2048
    assert len(wide.searches) == 10


def test_the_kernel_takes_no_sidecar_before_the_container_that_it_serves() -> None:
    main = spec(resources={"requests": {"memory": "512Mi"}})
    proxy = spec("proxy", restartPolicy="Always", resources={"requests": {"memory": "1Mi"}})
    setup = spec("setup", resources={"requests": {"memory": "1Mi"}})
    wanted = pod(main, initContainers=[proxy, setup])
    scores = [resources(wanted, each, GI).oom_score_adj for each in (main, proxy, setup)]
    assert scores == [500, 500, 999]


def test_the_kernel_spares_what_the_node_does_not_work_without() -> None:
    assert resources(pod(priority=2_000_001_000), spec(), GI).oom_score_adj == -997
    assert resources(pod(priority=2_000_000_000), spec(), GI).oom_score_adj == 1000
