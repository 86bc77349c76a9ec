"""The machine's figures and those that tests set, held to the same promises."""

from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.eviction.evictor import Signals
from pilothouse.engine.node.stats.gather import Statistics
from pilothouse.engine.node.stats.source import PodSource
from tests.contracts.figures import FiguresContract
from tests.engine.node.figures import figures
from tests.simulation.fake_figures import FakeFigures
from tests.simulation.fake_runtime import FakeRuntime

PODS = [figures("a"), figures("b")]


class TestRealFigures(FiguresContract):
    @pytest.fixture
    def signals(self, tmp_path: Path) -> Signals:
        config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-nosuch")
        config.containerd_dir.mkdir(parents=True)
        return Statistics(FakeRuntime(), config, lambda: [PodSource(pod.pod, "", 1.0, ()) for pod in PODS])


class TestFakeFigures(FiguresContract):
    @pytest.fixture
    def signals(self) -> Signals:
        fake = FakeFigures()
        for pod in PODS:
            fake.uses(pod)
        return fake
