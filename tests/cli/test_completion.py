"""Tab at a shell: what click is asked for by its own scripts."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.cli.cluster.kube import offered
from tests.cli.answers import answering, app, saying
from tests.cli.pseudo_terminal import PH


def completed(*words: str, home: Path) -> list[str]:
    """What `ph --home HOME WORDS` and Tab offers; the last word is the one that was begun."""
    line = ["ph", "--home", str(home), *words]
    asked = {"_PH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
    done = subprocess.run(PH, env=os.environ | asked, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return [each.partition(",")[2] for each in done.stdout.splitlines() if each]


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["de"], ["destroy", "deploy", "delete"]),
        (["config", "set", "pip."], ["pip.index-url", "pip.extra-index-url", "pip.trusted-host"]),
        (["apps", "--all"], ["--all-namespaces"]),
        (["kubectl", "rollo"], ["rollout"]),
        (["kubectl", "get", "--outp"], ["--output"]),
        (["logs", "sh"], []),
    ],
    ids=" ".join,
)
def test_words_that_need_no_cluster_are_there_without_one(tmp_path: Path, words: list[str], offers: list[str]) -> None:
    assert [each.rstrip("=") for each in completed(*words, home=tmp_path) if each != "--output-watch-events"] == offers


def test_words_of_kubectl_come_with_their_meanings_and_file_names_where_they_belong() -> None:
    assert [(item.value, item.help) for item in offered("pods\nrollout\tManage the rollout\n:4\n", "")] == [
        ("pods", None),
        ("rollout", "Manage the rollout"),
    ]
    assert [(item.value, item.type) for item in offered(":0\n", "ma")] == [("ma", "file")]
    assert offered(":4\n", "x") == []
    assert offered("", "x") == []


CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
LABELS = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "pilothouse", "apps.pilothouse.dev/volume": "data"}
CLAIM = {"metadata": {"name": "shop-data", "namespace": "default", "labels": LABELS}, "spec": {}}
SHOP, BLOG = app("shop", env={"A": "1", "B": "2"}, processes={"worker": {}}, volumes={"data": {"path": "/d"}}), app("blog")


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["logs", ""], ["blog", "shop"]),
        (["delete", "shop", ""], ["blog"]),
        (["why", "-n", "default", "s"], ["shop"]),
        (["apps", "-n", "kube"], ["kube-system"]),
        (["logs", "shop", "--process", ""], ["web", "worker"]),
        (["env", "unset", "shop", "A", ""], ["B"]),
        (["deploy", "--name", "shop", "--no-volume", ""], ["data"]),
        (["deploy", "--name", "blog", "--no-volume", ""], []),
        (["volumes", "delete", ""], ["shop/data"]),
    ],
    ids=" ".join,
)
async def test_names_are_those_of_the_cluster(tmp_path: Path, words: list[str], offers: list[str]) -> None:
    async with answering(tmp_path, apps=[SHOP, BLOG], namespaces=["default", "kube-system"]) as server:
        server.overrides[CLAIMS] = saying({"items": [CLAIM]})
        assert sorted(await asyncio.to_thread(completed, *words, home=tmp_path)) == offers


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["trace", ""], ["pod/done", "pod/web-0", "svc/web"]),
        (["trace", "svc/"], ["svc/web"]),
        (["trace", "--to-namespace", "other", "svc/"], ["svc/db"]),
        (["trace", "--to-namespace", "o"], ["other"]),
        (["trace", "svc/web", "--from", ""], ["pod/web-0"]),
    ],
    ids=" ".join,
)
async def test_what_a_packet_can_be_sent_to_and_from_is_offered(tmp_path: Path, words: list[str], offers: list[str]) -> None:
    pods = [
        {"metadata": {"name": name}, "spec": {}, "status": {"phase": phase}} for name, phase in (("web-0", "Running"), ("done", "Failed"))
    ]
    async with answering(tmp_path, apps=[], namespaces=["default", "other"]) as server:
        server.overrides["/api/v1/namespaces/default/pods"] = saying({"items": pods})
        for namespace, name in (("default", "web"), ("other", "db")):
            server.overrides[f"/api/v1/namespaces/{namespace}/services"] = saying({"items": [{"metadata": {"name": name}}]})
        assert sorted(await asyncio.to_thread(completed, *words, home=tmp_path)) == offers


async def test_bash_completes_with_the_script_that_is_printed(tmp_path: Path) -> None:
    """Sourced as the help says, in a real shell."""
    script = tmp_path / "ph"
    script.write_text(f"#!{sys.executable}\nfrom pilothouse.cli.main import main\nmain()\n")
    script.chmod(0o755)
    tab = "source <(ph completion bash); COMP_WORDS=(ph logs s); COMP_CWORD=2; _ph_completion ph; echo ${COMPREPLY[@]}"
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PILOTHOUSE_HOME": str(tmp_path)}
    async with answering(tmp_path, apps=[SHOP, BLOG]):
        done = await asyncio.to_thread(subprocess.run, ["bash", "-c", tab], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("shop\n", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_their_own_script(shell: str) -> None:
    done = subprocess.run([*PH, "completion", shell], capture_output=True, text=True, check=True, timeout=60)
    assert f"_PH_COMPLETE={shell}_complete" in done.stdout
