"""Which specs of the suite there are, which of them a run takes, and what came out of each so far.

Results are kept in one file beside the build, spec by spec, so that a run that was ended goes on where it was; --again and --failed run
what has a result already. Serial and disruptive specs never run beside others.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """state: PASSED, FAILED or SKIPPED (the spec itself found that it does not fit this cluster). message: the failure's or skip's text."""

    spec: str
    state: str
    seconds: float
    message: str = ""


class Results:
    """What came out of each spec; the last time counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.by_spec = self._read()

    def add(self, results: Iterable[Result]) -> None:
        """Keeps what another run has added meanwhile."""
        self.by_spec = self._read() | {each.spec: each for each in results}
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([asdict(each) for each in self.by_spec.values()], indent=1))
        new.replace(self._path)

    def _read(self) -> dict[str, Result]:
        found = json.loads(self._path.read_text()) if self._path.exists() else []
        return {each["spec"]: Result(**each) for each in found}


def chosen(specs: Iterable[str], focus: str, skip: str) -> list[str]:
    """Those in which `focus` is found and `skip` is not (regular expressions; "" skips none)."""
    return [spec for spec in specs if re.search(focus, spec) and not (skip and re.search(skip, spec))]


def is_serial(spec: str) -> bool:
    return "[Serial]" in spec or "[Disruptive]" in spec


def read_junit(folder: Path, taken: set[str]) -> list[Result]:
    """Of the junit files of a run, which name every spec there is, those that were taken. Each parallel worker has written one file."""
    found: dict[str, Result] = {}
    for path in sorted(folder.glob("junit_*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            result = _result(case)
            # Each worker's file has the specs of the others, too, as skipped.
            if result.spec in taken and (result.spec not in found or result.state != SKIPPED):
                found[result.spec] = result
    return list(found.values())


def read_log(text: str, taken: set[str]) -> list[Result]:
    """Of what a run printed: each spec that ended has a line. How long it took does not stand there (0)."""
    found: list[Result] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.search(r'{"msg":"(PASSED|FAILED) (.*?)","total"', line)
        if match is not None and (spec := json.loads(f'"{match[2]}"')) in taken:
            failed = match[1] == "FAILED"
            found.append(Result(spec, FAILED if failed else PASSED, 0, "\n".join(lines[max(0, number - 25) : number]) if failed else ""))
    return found


def _result(case: ElementTree.Element) -> Result:
    name, seconds = case.get("name", ""), float(case.get("time", "0"))
    failure = case.find("failure")
    if failure is not None:
        return Result(name, FAILED, seconds, (failure.text or "").strip())
    return Result(name, PASSED if case.find("skipped") is None else SKIPPED, seconds)
