"""Rather where the images are already, the more so the larger they are and the more nodes have them.

The share of nodes that have an image keeps pods of one image from all going to the one node that has it.
"""

from collections.abc import Sequence

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot

LEAST_BYTES = 23 << 20
MOST_BYTES = 1000 << 20
"""For one container."""


class ImageLocality:
    name = "ImageLocality"

    def score(self, pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> list[int] | None:
        names, total = [normalised(each) for each in pod.shape.images], len(snapshot.existing())
        shares = [(name, snapshot.images[name] / total) for name in names if snapshot.images.get(name)]
        if not shares:
            return None
        most = MOST_BYTES * len(names)

        def score(node: NodeInfo) -> int:
            images = node.images
            there = sum(int(images[name] * share) for name, share in shares if name in images)
            return MAX_SCORE * (min(max(there, LEAST_BYTES), most) - LEAST_BYTES) // (most - LEAST_BYTES)

        return [score(node) for node in nodes]


def normalised(image: str) -> str:
    """With the tag that is meant when none is named."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"
