"""The suite's program is told what it cannot find out by itself."""

from pathlib import Path

from tests.conformance.suite import Suite


async def test_every_worker_is_told_how_many_nodes_there_are(tmp_path: Path) -> None:
    ginkgo = tmp_path / "ginkgo"
    ginkgo.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/said\n')
    ginkgo.chmod(0o755)
    assert await Suite(tmp_path, tmp_path / "work", tmp_path / "kubeconfig", nodes=2).run(["[sig-network] a"], 3, 30) == []
    assert "--num-nodes 2" in (tmp_path / "said").read_text()
