"""Why a volume of a driver is not there (yet)."""

SET_UP, STAGE, ATTACH = "MountVolume.SetUp", "MountVolume.MountDevice", "MountVolume.WaitForAttach"
"""Upstream's names of the steps, as events of pods show them."""


class MountFailed(Exception):
    """step: at which it failed. The message says why."""

    def __init__(self, why: str, step: str = SET_UP) -> None:
        super().__init__(why)
        self.step = step


class MountPending(Exception):
    """The driver is still at work, or the volume is still being attached; the pod is told when that is over."""
