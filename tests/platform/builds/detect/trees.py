"""Small source trees for the tests of detection."""

from pilothouse.platform.builds.detect import Detected, Offer, Tree, detect

DEBIAN = Offer(
    {
        "python": ("3.11",),
        "node": ("18",),
        "golang": ("1.19",),
        "php": ("8.2",),
        "ruby": ("3.1",),
        "rust": ("1.63",),
        "eclipse-temurin": ("17",),
    }
)
ANYTHING = Offer(DEBIAN.versions, exact=False)
"""With a registry in reach."""
SEVERAL = Offer(
    {
        "python": ("3.11", "3.13"),
        "node": ("18", "20"),
        "golang": ("1.19", "1.24"),
        "eclipse-temurin": ("17", "21"),
        "php": ("8.2", "8.4"),
        "ruby": ("3.1", "3.3"),
        "rust": ("1.63", "1.85"),
    }
)


def found(tree: dict[str, str | bytes], offer: Offer = DEBIAN, port: int | None = None) -> Detected:
    return detect(Tree.of(tree, "shop"), offer, port)


def runs(detected: Detected) -> list[str]:
    """The RUN lines, without the word."""
    return [line.removeprefix("RUN ") for line in detected.dockerfile.splitlines() if line.startswith("RUN ")]


def copies(detected: Detected) -> list[str]:
    return [line for line in detected.dockerfile.splitlines() if line.startswith("COPY ")]


def web(detected: Detected) -> str:
    return detected.processes["web"].line
