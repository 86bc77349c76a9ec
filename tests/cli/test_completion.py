"""Tab at a shell: what click is asked for by its own scripts."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from pilothouse.cli.cluster.kube import offered
from tests.cli.answers import answering, app
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


SHOP, BLOG = app("shop", env={"A": "1", "B": "2"}, processes={"worker": {}}), app("blog")


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["logs", ""], ["blog", "shop"]),
        (["delete", "shop", ""], ["blog"]),
        (["why", "-n", "default", "s"], ["shop"]),
        (["apps", "-n", "kube"], ["kube-system"]),
        (["logs", "shop", "--process", ""], ["web", "worker"]),
        (["env", "unset", "shop", "A", ""], ["B"]),
    ],
    ids=" ".join,
)
async def test_names_are_those_of_the_cluster(tmp_path: Path, words: list[str], offers: list[str]) -> None:
    async with answering(tmp_path, apps=[SHOP, BLOG], namespaces=["default", "kube-system"]):
        assert sorted(await asyncio.to_thread(completed, *words, home=tmp_path)) == offers
