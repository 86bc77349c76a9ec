import json
from dataclasses import replace
from importlib import resources
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.engine.node.pod.environment import expand
from pilothouse.platform import builds
from pilothouse.platform.builds import program
from pilothouse.platform.builds.plan import attempt
from pilothouse.platform.builds.pod import CREDENTIALS, ENVIRONMENT, BuilderConfig, Environment, build_pod, sweep_pod

CONFIG = BuilderConfig("builder:1", "127.0.0.1:5000", "/var/lib/x", stand_ins=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40) | st.sampled_from(
    ["$(IMAGE)", "$$(IMAGE)", "$$$(REGISTRY)", "'; rm -rf / #", "$(rm -rf /)", "`id`", "--help", "a$$b", "$$$$", "\n"]
)
VARIABLES = {"IMAGE": "expanded", "REGISTRY": "expanded"}


def build(**spec: Any) -> dict[str, Any]:
    source = {"git": {"url": "https://x/y.git"}}
    metadata = {"name": "shop-1", "namespace": "default", "uid": "u"}
    return {"metadata": metadata, "spec": {"source": source, "image": "i:1", **spec}, "status": {}}


def seen_by(container: dict[str, Any]) -> tuple[list[str], list[str], dict[str, str]]:
    """Command, arguments and environment as the program gets them, after the node's expansion."""
    environment = {each["name"]: expand(each["value"], VARIABLES) for each in container["env"] if "value" in each}
    return [expand(w, VARIABLES) for w in container["command"]], [expand(w, VARIABLES) for w in container["args"]], environment


@settings(max_examples=40, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT, TEXT, st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), TEXT, max_size=3))
def test_no_text_of_the_user_is_shell_text_and_all_of_it_arrives_unchanged(
    url: str, revision: str, path: str, dockerfile: str, inline: str, args: dict[str, str]
) -> None:
    source = {"git": {"url": url, "revision": revision}, "path": path}
    pod = build_pod(build(source=source, dockerfile=dockerfile, inline=inline, args=args), CONFIG, Environment())
    fetch, make = pod["spec"]["initContainers"][0], pod["spec"]["containers"][0]
    assert seen_by(fetch)[0] == ["/bin/sh", "-c", resources.files(builds).joinpath("source.sh").read_text(), "source"]
    assert seen_by(make)[0] == ["python3", "-I", "/opt/pilothouse/build.pyz", "build"]
    environment = seen_by(fetch)[2]
    assert environment["GIT_URL"] == url
    assert environment["GIT_REVISION"] == revision
    assert environment["INLINE"] == inline
    assert environment["DOCKERFILE"] == (dockerfile or "Dockerfile")
    assert environment["CONTEXT"] == path.strip("/")
    assert json.loads(seen_by(make)[2]["BUILD_ARGS"]) == args


def test_an_upload_is_fetched_from_the_registry_by_its_digest() -> None:
    upload = {"repository": "sources/default/shop", "digest": "sha256:" + "a" * 64}
    environment = seen_by(build_pod(build(source={"upload": upload}), CONFIG, Environment())["spec"]["initContainers"][0])[2]
    assert environment["SOURCE_URL"] == f"http://127.0.0.1:5000/v2/sources/default/shop/blobs/{upload['digest']}"
    assert environment["GIT_URL"] == ""


def test_proxies_reach_the_fetch_and_the_steps_and_their_passwords_stay_in_the_secret() -> None:
    given = Environment(frozenset({"ca.crt", "proxy.http_proxy"}))
    spec = build_pod(build(args={"A": "1"}), CONFIG, given)["spec"]
    place = {"name": ENVIRONMENT, "key": "proxy.http_proxy", "optional": True}
    for container in (spec["initContainers"][0], spec["containers"][0]):
        hidden = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each}
        assert hidden == {"HTTP_PROXY": place, "http_proxy": place}
    assert seen_by(spec["containers"][0])[1] == ["--build-arg", "HTTP_PROXY", "--build-arg", "http_proxy"]


def test_credentials_are_mounted_where_the_steps_run_and_only_where_they_are_given() -> None:
    given = Environment(frozenset({"pip.conf", "proxy.http_proxy"}), frozenset({"npmrc", "proxy.http_proxy"}))
    spec = build_pod(build(), CONFIG, given)["spec"]
    fetch, make = spec["initContainers"][0], spec["containers"][0]
    assert "credentials" not in {mount["name"] for mount in fetch["volumeMounts"]}
    assert {"name": "credentials", "mountPath": "/etc/pilothouse-credentials", "readOnly": True} in make["volumeMounts"]
    assert {"name": "credentials", "secret": {"secretName": CREDENTIALS, "optional": True}} in spec["volumes"]
    assert {each["valueFrom"]["secretKeyRef"]["name"] for each in make["env"] if "valueFrom" in each} == {CREDENTIALS}
    assert CREDENTIALS not in json.dumps(build_pod(build(), CONFIG, Environment(given.plain)))


def test_only_the_build_container_is_privileged_and_has_the_layers() -> None:
    spec = build_pod(build(), CONFIG, Environment())["spec"]
    assert "securityContext" not in spec["initContainers"][0]
    assert spec["containers"][0]["securityContext"] == {"privileged": True}
    assert "storage" not in {mount["name"] for mount in spec["initContainers"][0]["volumeMounts"]}
    assert {"name": "program", "configMap": {"name": program.name()}} in spec["volumes"]
    assert spec["volumes"][1] == {"name": "environment", "secret": {"secretName": ENVIRONMENT, "optional": True}}
    assert spec["automountServiceAccountToken"] is False


def test_the_pod_ends_with_its_build() -> None:
    owner = build_pod(build(), CONFIG, Environment())["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("Build", "shop-1", "u", True)


def test_a_build_has_a_share_of_a_busy_machine() -> None:
    assert build_pod(build(), CONFIG, Environment())["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"}
    }


def test_a_build_goes_to_a_machine_that_its_builder_runs_on_and_leaves_one_that_fell_silent() -> None:
    spec = build_pod(build(), replace(CONFIG, architecture="arm64"), Environment())["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"}
    assert {each["key"].partition("/")[2]: each["tolerationSeconds"] for each in spec["tolerations"]} == {
        "not-ready": 20,
        "unreachable": 20,
    }
    assert "kubernetes.io/arch" not in build_pod(build(), CONFIG, Environment())["spec"]["nodeSelector"]


def test_a_later_attempt_says_which_it_is() -> None:
    pod = build_pod(build() | {"status": {"interruptions": 2}}, CONFIG, Environment())
    assert (attempt(pod), seen_by(pod["spec"]["containers"][0])[2]["ATTEMPT"]) == (2, "2")
    assert attempt(build_pod(build(), CONFIG, Environment())) == 0


def test_a_node_is_swept_although_it_is_cordoned() -> None:
    spec = sweep_pod("s", {}, "u", "n", CONFIG)["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "n"}
    assert [each["key"] for each in spec["tolerations"]] == ["node.kubernetes.io/unschedulable"]
