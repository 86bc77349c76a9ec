"""What came out, as a table by special interest group and a list of what failed, in Markdown; and as a junit file for other tools."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.conformance.reasons import OURS, REMOVED, reason_of
from tests.conformance.specs import FAILED, PASSED, SKIPPED, Result

BEGIN, BEGIN_DUAL_STACK, END = "<!-- results -->", "<!-- results on both IP families -->", "<!-- end -->"
HEAD = "| group | specs | passed | failed | of these removed upstream | skipped themselves |\n|---|---|---|---|---|---|"


def table(results: Sequence[Result]) -> str:
    groups = sorted({_group(each.spec) for each in results})
    rows = [_row(group, [each for each in results if _group(each.spec) == group]) for group in groups]
    return "\n".join([HEAD, *rows, _row("**all**", results)])


def failures(results: Iterable[Result]) -> str:
    """A line each, with the reason where one is known."""
    lines = []
    for each in sorted(results, key=lambda each: each.spec):
        if each.state == FAILED:
            reason = reason_of(each.spec)
            lines.append(f"- `{each.spec}`: " + (f"{reason.kind}: {reason.why}" if reason else f"{OURS}: not explained yet"))
    return "\n".join(lines)


def not_run(specs: Iterable[str], results: Collection[str]) -> str:
    """A line for each conformance spec that has no result, of groups of which others have one."""
    groups = {_group(spec) for spec in results}
    left = sorted(spec for spec in specs if "[Conformance]" in spec and spec not in results and _group(spec) in groups)
    return "\n".join(["", "Conformance specs that were not run:", "", *(f"- `{spec}`" for spec in left)]) if left else ""


def _row(name: str, results: Sequence[Result]) -> str:
    states = Counter(each.state for each in results)
    reasons = [reason_of(each.spec) for each in results if each.state == FAILED]
    removed = sum(1 for reason in reasons if reason is not None and reason.kind == REMOVED)
    return f"| {name} | {len(results)} | {states[PASSED]} | {states[FAILED]} | {removed} | {states[SKIPPED]} |"


def _group(spec: str) -> str:
    found = re.search(r"\[(sig-[a-z-]+)", spec)
    return found.group(1) if found else "sig-node (as [k8s.io])"


def put(path: Path, text: str, begin: str = BEGIN) -> None:
    """Between the lines of a document that mark these results, or as the whole file where there are no such lines."""
    before, mark, rest = (path.read_text() if path.exists() else "").partition(begin)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{begin}\n{text}{END}{after}" if mark else text)


def write_junit(path: Path, results: Sequence[Result]) -> None:
    states = Counter(each.state for each in results)
    suite = ElementTree.Element(
        "testsuite", name="conformance", tests=str(len(results)), failures=str(states[FAILED]), skipped=str(states[SKIPPED])
    )
    for each in results:
        case = ElementTree.SubElement(suite, "testcase", name=each.spec, classname=_group(each.spec), time=f"{each.seconds:.1f}")
        if each.state == FAILED:
            ElementTree.SubElement(case, "failure").text = each.message
        elif each.state == SKIPPED:
            ElementTree.SubElement(case, "skipped")
    ElementTree.ElementTree(suite).write(path, encoding="unicode", xml_declaration=True)
