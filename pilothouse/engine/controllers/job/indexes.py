"""Completion indexes of an Indexed Job, and the text that its status keeps them in ("0-3,7").

Source: Kubernetes 1.36, pkg/controller/job/indexed_job_utils.go.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

ANNOTATION = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Object) -> int | None:
    try:
        return int(meta.annotations(pod)[ANNOTATION])
    except (KeyError, ValueError):
        return None


def parse(text: str, completions: int) -> set[int]:
    """Indexes in the text that lie below the number of completions."""
    found: set[int] = set()
    for part in text.split(","):
        begin, _, end = part.partition("-")
        first, last = natural(begin), natural(end or begin)
        if first is not None and last is not None:
            found.update(range(first, min(last, completions - 1) + 1))
    return {each for each in found if each < completions}


def render(indexes: Iterable[int]) -> str:
    """Sorted, consecutive ones as a range; a range of two is written as two."""
    runs: list[list[int]] = []
    for each in sorted(indexes):
        if runs and runs[-1][-1] + 1 == each:
            runs[-1].append(each)
        else:
            runs.append([each])
    return ",".join(_run(run) for run in runs)


def _run(run: list[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{run[0]},{run[1]}" if len(run) == 2 else f"{run[0]}-{run[-1]}"


def missing(completions: int, taken: set[int], count: int) -> list[int]:
    """The first indexes that neither succeeded nor are being worked on."""
    found: list[int] = []
    for each in range(completions):
        if len(found) == count:
            break
        if each not in taken:
            found.append(each)
    return found
