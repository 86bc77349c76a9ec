"""Links to the logs of containers: named as log agents expect, made when there is a log, gone with it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.housekeeping.links import link_logs
from pilothouse.engine.node.runtime.seam import Container
from pilothouse.engine.node.streams.log_links import log_link, make_links, remove_dead_links
from tests.engine.node.builders import pod, running


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    made = NodeConfig(home=tmp_path, node_name="n", instance="i")
    for folder in (made.logs_dir, made.log_links_dir):
        folder.mkdir(parents=True)
    return made


def write(config: NodeConfig, log: str) -> Path:
    path = config.logs_dir / log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("2026-01-01T00:00:00Z stdout F hello\n")
    return path


def links(config: NodeConfig) -> dict[str, str]:
    return {each.name: str(each.readlink()) for each in config.log_links_dir.iterdir()}


def test_a_link_says_pod_namespace_container_and_id_and_leads_to_where_pods_find_the_log(config: NodeConfig) -> None:
    link = log_link(pod(), "main", "c0ffee", 2)
    write(config, link.log)
    for _ in range(2):
        make_links(config, [link])
    assert links(config) == {"p_ns_main-c0ffee.log": "/var/log/pods/ns_p_u1/main/2.log"}


def test_a_name_that_is_too_long_for_a_file_is_cut(config: NodeConfig) -> None:
    long = pod()
    long["metadata"]["name"] = "p" * 180
    link = log_link(long, "c" * 63, "f" * 64, 0)
    write(config, link.log)
    make_links(config, [link])
    assert [(len(name), name[-4:]) for name in links(config)] == [(255, ".log")]


def test_without_a_log_there_is_no_link_and_one_whose_log_is_gone_goes(config: NodeConfig) -> None:
    link, other = log_link(pod(), "main", "a", 0), log_link(pod(), "main", "b", 1)
    written = write(config, link.log)
    make_links(config, [link, other])
    foreign = config.log_links_dir / "foreign.log"
    foreign.symlink_to("/nowhere")
    remove_dead_links(config)
    assert set(links(config)) == {link.name, "foreign.log"}
    written.unlink()
    remove_dead_links(config)
    assert set(links(config)) == {"foreign.log"}


async def test_a_round_makes_what_a_killed_agent_has_left_out_and_leaves_strangers_alone(config: NodeConfig) -> None:
    class Runtime:
        async def containers(self) -> list[Container]:
            return [running(), Container("x", "box", "unknown", "main", 0, "RUNNING", 0.0)]

    write(config, "ns_p_u1/main/0.log")
    context: Any = SimpleNamespace(config=config, runtime=Runtime())
    workers: Any = {"u1": SimpleNamespace(pod=pod())}
    await link_logs(context, workers)
    assert links(config) == {"p_ns_main-main-0.log": "/var/log/pods/ns_p_u1/main/0.log"}
