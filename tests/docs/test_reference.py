import re
from pathlib import Path

import click
import pytest

from pilothouse.cli import reference
from pilothouse.cli.main import COMMANDS, ph
from tests.docs import reasons

PAGES = sorted((Path(__file__).parents[2] / "docs" / "reference").glob("*.md"))
ONE_WORD = frozenset(
    [
        "Applied",
        "Bound",
        "Building",
        "Cancelled",
        "Completed",
        "Conflict",
        "Corrupted",
        "DeletionByPodGC",
        "Diverged",
        "Draining",
        "Dropping",
        "Errant",
        "Error",
        "Evicted",
        "EvictionByEvictionAPI",
        "Failed",
        "Following",
        "Gap",
        "Joining",
        "Missing",
        "Protected",
        "Queued",
        "Refused",
        "Releasing",
        "Removing",
        "Resizing",
        "Restored",
        "Restoring",
        "Rotated",
        "Rotating",
        "Running",
        "Serving",
        "Starting",
        "Superseded",
        "Suspended",
        "Suspending",
        "Taken",
        "Unbinding",
        "Unschedulable",
        "Usable",
        "Waiting",
    ]
)
"""Reasons that the code names where it does not say them at once: in conditions, steps and states of containers."""
FROM_PARTS = frozenset(["FailedToCreateEndpoint", "FailedToUpdateEndpoint", "NetworkPolicyDropped", "NetworkPolicyWouldDrop"])


def page(name: str) -> str:
    return next(path for path in PAGES if path.stem == name).read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_is_as_the_code_generates_it(path: Path) -> None:
    assert path.read_text() == reference.rewritten(path.read_text()), "run scripts/reference"


def test_every_generated_block_stands_in_a_page() -> None:
    standing = {name for path in PAGES for name in re.findall(r"<!-- generated: ([\w -]+) -->", path.read_text())}
    assert standing == set(reference.BLOCKS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_an_example(name: str) -> None:
    _, _, section = page("commands").partition(f"\n## ph {name}\n")
    assert "Examples:" in section.partition("\n## ph ")[0] or name == "config", f"`ph {name}` has no example in its help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_means(name: str) -> None:
    context = click.Context(ph, info_name="ph")
    command = ph.get_command(context, name)
    assert command is not None
    silent = [option.opts for option in command.params if isinstance(option, click.Option) and not option.help]
    assert not silent, f"these options of `ph {name}` have no help: {silent}"


def documented() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", page("reasons"), re.MULTILINE))


def test_every_reason_in_the_code_is_documented() -> None:
    missing = {reason: where for reason, where in reasons.in_code().items() if reason not in documented()}
    assert not missing, "document them in docs/reference/reasons.md, or name them in tests/docs/reasons.py when they are no reasons"


def test_no_reason_is_documented_that_the_code_does_not_say() -> None:
    stale = documented() - set(reasons.in_code()) - ONE_WORD - FROM_PARTS
    assert not stale


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        (path.name, target)
        for path in PAGES
        for target in re.findall(r"\]\(([^)#:]+\.md)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert not broken
