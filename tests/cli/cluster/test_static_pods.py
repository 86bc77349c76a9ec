from pathlib import Path

from pilothouse.cli.cluster import static_pods
from pilothouse.cli.settings.home import Home
from pilothouse.engine.node.static.kept import Kept


def test_a_manifest_that_is_not_kept_is_named_with_its_path(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert static_pods.failing(home) == []
    Kept(home.node / "static-pods").say({"web.yaml": "it is larger than 1024 KiB"})
    further = Home(home.further_nodes / "2")
    Kept(further.node / "static-pods").say({"other.yaml": "it is no ordinary file"})
    assert static_pods.failing(home) == [
        f"static pod {tmp_path}/node/manifests/web.yaml: it is larger than 1024 KiB",
        f"static pod {further.path}/node/manifests/other.yaml: it is no ordinary file",
    ]
