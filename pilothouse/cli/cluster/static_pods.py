"""Manifests of static pods that the node does not keep, as it says itself."""

from pilothouse.cli.settings.home import Home
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.static.problems import problems


def failing(home: Home) -> list[str]:
    """One sentence for each file that asks for no pod, or for one that is not let in, on whichever node of the instance here."""
    configs = [NodeConfig(home=each.node, node_name="", instance="") for each in (home, *home.further())]
    return [f"static pod {each.manifests_dir / file}: {why}" for each in configs for file, why in problems(each.static_dir).items()]
