"""What kind of driver it is: everything that a test may want to differ."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """node, controller: names of capabilities (NodeServiceCapability, ControllerServiceCapability). topology: segments of this node.

    required_secret: NAME=VALUE that every call with secrets must carry; "" for none. capacity_bytes: of all volumes together.
    """

    name: str = "folders.test"
    node_id: str = "here"
    node: tuple[str, ...] = ("STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME", "VOLUME_CONDITION", "SINGLE_NODE_MULTI_WRITER")
    controller: tuple[str, ...] = (
        "CREATE_DELETE_VOLUME",
        "LIST_VOLUMES",
        "GET_CAPACITY",
        "CREATE_DELETE_SNAPSHOT",
        "LIST_SNAPSHOTS",
        "CLONE_VOLUME",
        "EXPAND_VOLUME",
        "GET_VOLUME",
        "MODIFY_VOLUME",
        "SINGLE_NODE_MULTI_WRITER",
    )
    topology: dict[str, str] = field(default_factory=dict)
    max_volumes: int = 0
    required_secret: str = ""
    capacity_bytes: int = 1 << 40

    @property
    def stages(self) -> bool:
        return "STAGE_UNSTAGE_VOLUME" in self.node

    @property
    def attaches(self) -> bool:
        return "PUBLISH_UNPUBLISH_VOLUME" in self.controller
