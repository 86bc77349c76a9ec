"""`ph policy test` without a cluster: what the file may say, what comes out, and that it agrees with the specification."""

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from pilothouse.cli.policy import live
from pilothouse.cli.policy.cases import Case, End
from pilothouse.cli.policy.offline import Cluster, tried
from pilothouse.cli.policy.suite import SuiteError, read
from pilothouse.model.json import Object
from tests.cli.test_ending import ph
from tests.network.policy import random_policies
from tests.network.policy.judge import Pod, allows

SHOP = """
kind: Namespace
metadata: {name: shop, labels: {team: red}}
---
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c}]}
---
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
---
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}]
---
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  egress:
  - to: [{podSelector: {matchLabels: {app: db}}}]
  - to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
    ports: [{port: 53, protocol: UDP}]
  ingress: [{}]
---
"""
CASES = """
cases:
- {from: shop/web, to: shop/db, port: sql, expected: allowed}
- {from: shop/web, to: shop/db, port: 22, expected: denied}
- {from: shop/web, to: shop/db, protocol: ICMP, expected: denied}
- {from: shop/web, to: dns, protocol: UDP, expected: allowed}
- {from: shop/web, to: 192.0.2.7, port: 443, expected: denied}
- {from: {namespace: other, labels: {app: web}}, to: shop/db, port: 5432, expected: denied}
- {from: 203.0.113.9, to: shop/web, port: 8080, expected: allowed}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "suite.yaml"
    file.write_text(text)
    return file


def test_cases_that_hold_pass_and_say_who_has_decided(tmp_path: Path) -> None:
    done = ph("policy", "test", str(written(tmp_path, SHOP + CASES)))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ok    shop/web -> shop/db tcp/sql allowed: ingress of shop/db"
    assert lines[1] == "ok    shop/web -> shop/db tcp/22 denied: ingress of shop/db"
    assert lines[-1] == "7 cases, 0 failed"


PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "network-policies.md"


def test_the_cases_of_the_how_to_page_hold_for_its_policies(tmp_path: Path) -> None:
    blocks = [textwrap.dedent(each) for each in re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE.read_text(), re.MULTILINE)]
    policies, cases = (next(each for each in blocks if word in each) for word in ("name: closed, namespace", "cases:"))
    for folder, text in (("policies", policies), ("apps", SHOP.partition("---\nkind: NetworkPolicy")[0])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "all.yaml").write_text(text)
    done = ph("policy", "test", str(written(tmp_path, cases)))
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["5 cases, 0 failed"]), done.stdout + done.stderr


def test_a_case_that_does_not_hold_fails_the_run(tmp_path: Path) -> None:
    file = written(tmp_path, f"{SHOP}cases: [{{from: shop/web, to: shop/db, port: 22, expected: allowed}}]\n")
    done = ph("policy", "test", str(file))
    assert done.returncode == 1
    assert done.stdout.endswith("\n1 case, 1 failed\n")
    assert "FAIL  shop/web -> shop/db tcp/22: expected allowed, is denied: ingress of shop/db" in done.stdout
    (told,) = json.loads(ph("policy", "test", "-o", "json", str(file)).stdout)
    assert (told["found"], told["passed"], told["by"]) == ("denied", False, "ingress of shop/db")


def test_manifests_are_read_from_the_files_that_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "all.yaml").write_text(SHOP)
    assert len(read(written(tmp_path, f"manifests: [policies]\n{CASES.strip()}")).objects) == 5


def test_a_rehearsal_is_told_of_and_does_not_count(tmp_path: Path) -> None:
    text = SHOP.replace(
        "{name: db, namespace: shop}\nspec:\n  podS", f"{{name: db, namespace: shop, annotations: {REHEARSED}}}\nspec:\n  podS"
    )
    cases = "cases: [{from: shop/web, to: shop/db, port: 22, expected: allowed}]"
    done = ph("policy", "test", str(written(tmp_path, f"{text}{cases}\n")))
    assert done.returncode == 0, done.stdout
    assert "in rehearsal, and would refuse it: shop/db" in done.stdout


BROKEN = "kind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: 3}\n---\n"
TWO_FAMILIES = """
kind: NetworkPolicy
metadata: {name: four, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: "fd99::/64"}}]}]
---
"""


def test_a_case_holds_when_it_holds_in_both_families(tmp_path: Path) -> None:
    asked = "{{from: shop/web, to: shop/db, port: 22, {}expected: {}}}"
    cases = [asked.format("", "allowed"), asked.format("family: IPv4, ", "allowed"), asked.format("family: IPv6, ", "denied")]
    text = f"{SHOP.split('kind: NetworkPolicy')[0]}{TWO_FAMILIES}cases: [{', '.join(cases)}]\n"
    done = ph("policy", "test", str(written(tmp_path, text)))
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0] == (
        "FAIL  shop/web -> shop/db tcp/22: expected allowed, is denied over IPv6, and not over the other family: ingress of shop/four"
    )
    assert [line[:4] for line in lines[1:3]] == ["ok  ", "ok  "]


def test_pods_of_a_file_that_speaks_of_ipv4_alone_have_no_other_family(tmp_path: Path) -> None:
    text = SHOP.split("kind: NetworkPolicy")[0] + TWO_FAMILIES.replace(', {ipBlock: {cidr: "fd99::/64"}}', "")
    done = ph("policy", "test", str(written(tmp_path, f"{text}cases: [{{from: shop/web, to: shop/db, port: 22, expected: allowed}}]\n")))
    assert done.returncode == 0, done.stdout


def test_a_policy_beyond_the_bounds_of_nodes_allows_nothing_and_is_named(tmp_path: Path) -> None:
    large = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "large", "namespace": "shop"},
        "spec": {"podSelector": {}, "ingress": [{"ports": [{"protocol": "TCP", "port": n} for n in range(1, 3000)]}]},
    }
    text = f"{SHOP.split('kind: NetworkPolicy')[0]}{yaml.dump(large)}---\n"
    done = ph("policy", "test", str(written(tmp_path, f"{text}cases: [{{from: shop/web, to: shop/db, port: 22, expected: denied}}]\n")))
    assert done.returncode == 0, done.stdout
    assert "warning: NetworkPolicy shop/large: this policy allows nothing: it makes 2999 rules, 2000 are the most" in done.stderr


def test_kinds_that_are_left_out_are_named_in_one_sentence(tmp_path: Path) -> None:
    more = "kind: Service\nmetadata: {name: s}\n---\nkind: Rollout\nmetadata: {name: r}\n---\nkind: Service\nmetadata: {name: t}\n---\n"
    done = ph("policy", "test", str(written(tmp_path, more + SHOP + CASES)))
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("warning: left out: 1 Rollout, 2 Service; pods are those of")


CASE = "cases: [{from: shop/web, to: shop/db, port: 22, expected: denied}]\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}",
            "NetworkPolicy p (projectcalico.org/v3) is a policy that",
        ),
        ("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: p}", "AdminNetworkPolicy p"),
        ("metadata: {name: p}", "neither `cases` nor a `kind`"),
        (
            "kind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/40}}]}]}",
            "NetworkPolicy p would be refused: spec.ingress[0].from[0].ipBlock.cidr: ",
        ),
        (
            "kind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, ingress: [{ports: [{port: 90, endPort: 80}]}]}",
            "must be greater than or equal to `port`",
        ),
        (
            "kind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}, "
            "egress: [{action: Deny, to: [{domainNames: [example.com]}]}]}",
            "domainNames are not carried out by this cluster",
        ),
    ],
)
def test_a_policy_that_would_be_refused_or_carried_out_by_nobody_is_an_error(tmp_path: Path, text: str, why: str) -> None:
    done = ph("policy", "test", str(written(tmp_path, f"{SHOP}{text}\n---\n{CASE}")))
    assert done.returncode == 1
    assert why in done.stderr


REHEARSED = '{network.pilothouse.dev/rehearse: "true"}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cases: []", "it has no cases"),
        ("cases: [{from: a, to: b/c, port: 1, expected: allowed}]", "case 1: from: a is no NAMESPACE/NAME"),
        ("cases: [{from: a/b, to: b/c, expected: allowed}]", "case 1: TCP needs a port"),
        ("cases: [{from: a/b, to: b/c, protocol: ICMP, port: 3, expected: allowed}]", "ICMP has no ports"),
        ("cases: [{from: a/b, to: b/c, port: 70000, expected: allowed}]", "port 70000 is none of 1 to 65535"),
        ("cases: [{from: a/b, to: b/c, port: 1, expected: maybe}]", "expected is `allowed` or `denied`"),
        ("cases: [{from: a/b, to: b/c, port: 1, expected: denied, when: now}]", "when: a case has from, to"),
        ("cases: [{from: {namespace: x, pods: y}, to: b/c, port: 1, expected: denied}]", "pods by labels are written as"),
        ("- 1", "a document is a mapping"),
        ("a: 1\nb: [", "suite.yaml: yaml: line 3: "),
        ("manifests: [nope/]\ncases: [{from: a/b, to: b/c, port: 1, expected: denied}]", "nope: there is no such file or folder"),
        (
            "cases:\n- {from: a/b, to: b/c, from: b/d, port: 1, expected: denied}",
            'suite.yaml: line 2: key "from" already set in map: write it',
        ),
        ("cases: [{from: a/b, to: 192.0.2.0/24, port: 1, expected: denied}]", "to: 192.0.2.0/24 is a network: write one address of it"),
    ],
)
def test_a_file_that_cannot_be_carried_out_is_named_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SuiteError) as refused:
        read(written(tmp_path, text))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "cases: [{from: a/b, to: b/c, port: 1, expected: denied}]",
            "no pod or workload a/b in what was read: `manifests` has to name its file",
        ),
        (f"{SHOP}cases: [{{from: shop/web, to: shop/db, port: http, expected: denied}}]", "shop/db has no TCP port http"),
        (
            "kind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: 3}\n---\ncases: [{from: dns, to: dns, expected: allowed}]",
            "cannot be read",
        ),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, text: str, why: str) -> None:
    done = ph("policy", "test", str(written(tmp_path, text)))
    assert done.returncode == 1
    assert why in done.stderr


def live_pod(name: str, phase: str = "Running", **spec: Any) -> Object:
    labels, status = {"app": name}, {"phase": phase, "podIP": f"10.244.0.{len(name)}"}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {"containers": [], **spec},
        "status": status,
    }


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (End("shop/pending", "shop", "pending"), "pod shop/pending does not run: Pending"),
        (End("shop/host", "shop", "host"), "pod shop/host is in the network of its node: no policy selects it"),
        (
            End("shop/{app=host}", "shop", labels={"app": "host"}),
            "pod shop/host is in the network of its node: no policy selects it",
        ),
        (End("shop/none", "shop", "none"), "no pod of shop/none is there"),
        (End("shop/{app=none}", "shop", labels={"app": "none"}), "no pod of shop/{app=none} is there"),
        (End("dns", is_dns=True), "packets are sent between pods that run; an address and `dns` are none"),
        (End("shop/db", "shop", "db"), "shop/db has no TCP port sql"),
        (End("shop/web", "shop", "web"), "shop/web has no TCP port sql"),
    ],
    ids=lambda value: value.shown if isinstance(value, End) else "",
)
async def test_a_case_that_cannot_be_tried_with_packets_says_why_and_ends_no_other(target: End, why: str) -> None:
    running = [live_pod("web"), live_pod("db")]
    left_out = [live_pod("pending", "Pending"), live_pod("host", hostNetwork=True)]
    case = Case(End("shop/web", "shop", "web"), target, "TCP", "sql", "allowed")
    result = await live.of_case(case, Cluster(running), {}, left_out)
    assert (result.is_allowed, result.skipped, result.has_passed) == (None, why, False)


async def test_a_pod_that_ends_while_it_is_tried_ends_no_other_case() -> None:
    pods = [live_pod("web"), live_pod("db")]
    case = Case(End("shop/web", "shop", "web"), End("shop/db", "shop", "db"), "TCP", "80", "allowed")
    result = await live.of_case(case, Cluster(pods), dict.fromkeys(("10.244.0.3", "10.244.0.2"), "/proc/0/ns/net"))
    assert result.skipped.startswith("no packet can be sent: No such file or directory")


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_two_hundred_random_policies_are_judged_as_their_specification_says(seed: int) -> None:
    """Twenty a test; written as manifests and read again."""
    for number in range(seed, seed + 20):
        rng = Random(number)
        addresses = [f"10.244.9.{each}" for each in range(2, 8)]
        pods, spaces = random_policies.pods(addresses), random_policies.spaces(rng)
        policies = [random_policies.policy(rng, "p", addresses), random_policies.policy(rng, "q", addresses)]
        wide = [random_policies.cluster_policy(rng, "c", addresses)] if number % 2 else []
        cluster = Cluster(again([*_pods(pods), *_spaces(spaces), *({"kind": "NetworkPolicy", **each} for each in policies), *wide]))
        cases, wanted = [], []
        for source in pods:
            for target in pods:
                for protocol, port in random_policies.PORTS:
                    own, other = (End(pod.key, pod.namespace, pod.name) for pod in (source, target))
                    cases.append(Case(own, other, protocol.upper(), str(port) if port else "", "allowed"))
                    wanted.append(allows(policies, spaces, source, target, protocol, port, wide))
        found = [result.is_allowed for result in tried(cases, cluster)]
        assert found == wanted, [case.shown for case, is_so, want in zip(cases, found, wanted, strict=True) if is_so != want]


def again(objects: list[Object]) -> list[Object]:
    return list(yaml.load_all(yaml.dump_all(objects, Dumper=yaml.CSafeDumper), Loader=yaml.CSafeLoader))


def _pods(pods: list[Pod]) -> list[Object]:
    return [
        {
            "kind": "Pod",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "labels": dict(pod.labels)},
            "spec": {"containers": [{"ports": [{"name": n, "containerPort": c, "protocol": p.upper()} for p, n, c in pod.ports]}]},
            "status": {"podIP": pod.address},
        }
        for pod in pods
    ]


def _spaces(spaces: Mapping[str, Mapping[str, str]]) -> list[Object]:
    return [{"kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}} for name, labels in spaces.items()]
