"""Which images go when room is needed: those that nothing uses and nothing is about to use, unused longest first. Pure.

Source: kubernetes pkg/kubelet/images/image_gc_manager.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.engine.node.runtime.seam import Image


@dataclass(slots=True)
class Seen:
    """When images were first seen, by id; seconds since the epoch, 0.0 for those that were there already when somebody looked first."""

    first: dict[str, float] = field(default_factory=dict)
    has_looked: bool = False

    def note(self, images: Iterable[Image], now: float) -> None:
        since = now if self.has_looked else 0.0
        self.first = {image.id: self.first.get(image.id, since) for image in images}
        self.has_looked = True


def candidates(
    images: Iterable[Image], seen: Mapping[str, float], used_at: Mapping[str, float], in_use: set[str], now: float, min_age_s: float
) -> list[Image]:
    """in_use: references, in any form, of what must stay."""
    found = [
        image for image in images if not {image.id, *image.tags, *image.digests} & in_use and now - seen.get(image.id, now) >= min_age_s
    ]
    return sorted(found, key=lambda image: (used_at.get(image.id, 0.0), seen.get(image.id, now)))
