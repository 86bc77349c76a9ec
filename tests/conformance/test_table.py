"""What a run leaves is read as the suite means it, and shown with the reasons that are known."""

from pathlib import Path

import pytest

from tests.conformance import table as shown
from tests.conformance.reasons import REMOVED, Reason
from tests.conformance.specs import FAILED, PASSED, SKIPPED, Result, Results, chosen, is_serial, read_junit, read_log

JUNIT = """<testsuite>
<testcase name="[sig-apps] a" time="2.5">{a}</testcase>
<testcase name="[sig-apps] b" time="1"><failure type="Failure">file.go:1
timed out</failure></testcase>
<testcase name="[sig-apps] c" time="0"><skipped/></testcase>
<testcase name="[sig-node] not chosen" time="0"><skipped/></testcase>
</testsuite>"""


def test_what_another_worker_ran_is_no_skip(tmp_path: Path) -> None:
    (tmp_path / "junit_01.xml").write_text(JUNIT.format(a=""))
    (tmp_path / "junit_02.xml").write_text(JUNIT.format(a="<skipped/>"))
    found = {each.spec[-1]: each for each in read_junit(tmp_path, {"[sig-apps] a", "[sig-apps] b", "[sig-apps] c"})}
    assert {name: each.state for name, each in found.items()} == {"a": PASSED, "b": FAILED, "c": SKIPPED}
    assert found["b"].message.endswith("timed out")


def test_what_ended_before_a_run_was_told_to_end_is_read_from_its_log() -> None:
    text = """noise
Expected true
{"msg":"FAILED [sig-apps] b \\u003e c","total":-1,"completed":0}
\u2022{"msg":"PASSED [sig-apps] a","total":-1,"completed":0}
{"msg":"PASSED [sig-node] other","total":-1,"completed":0}"""
    failed, passed = read_log(text, {"[sig-apps] a", "[sig-apps] b > c"})
    assert (failed.spec, failed.state, failed.message) == ("[sig-apps] b > c", FAILED, "noise\nExpected true")
    assert (passed.spec, passed.state) == ("[sig-apps] a", PASSED)


def test_results_are_there_for_the_next_call_and_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    Results(path).add([Result("a", FAILED, 1), Result("b", PASSED, 1)])
    Results(path).add([Result("a", PASSED, 2)])
    assert {name: each.state for name, each in Results(path).by_spec.items()} == {"a": PASSED, "b": PASSED}


def test_what_was_removed_upstream_is_counted_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.conformance.reasons.REASONS", [Reason("policy", REMOVED, "PodSecurityPolicy went in 1.25.")])
    results = [Result("[sig-auth] policy", FAILED, 60), Result("[sig-auth] rest", FAILED, 60), Result("[sig-auth] ok", PASSED, 0)]
    assert shown.table(results).splitlines()[2] == "| sig-auth | 3 | 1 | 2 | 1 | 0 |"
    assert shown.failures(results).splitlines() == [
        "- `[sig-auth] policy`: removed upstream: PodSecurityPolicy went in 1.25.",
        "- `[sig-auth] rest`: ours: not explained yet",
    ]


def test_a_document_keeps_what_stands_around_the_results(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    shown.put(path, "alone\n")
    assert path.read_text() == "alone\n"
    path.write_text("head\n<!-- results -->\nold\n<!-- end -->\ntail\n")
    shown.put(path, "new\n")
    assert path.read_text() == "head\n<!-- results -->\nnew\n<!-- end -->\ntail\n"


def test_a_document_has_the_results_of_both_kinds_of_instances_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    path.write_text(f"{shown.BEGIN}\none\n{shown.END}\n{shown.BEGIN_DUAL_STACK}\ntwo\n{shown.END}\n")
    shown.put(path, "new\n", shown.BEGIN_DUAL_STACK)
    assert path.read_text() == f"{shown.BEGIN}\none\n{shown.END}\n{shown.BEGIN_DUAL_STACK}\nnew\n{shown.END}\n"


def test_of_groups_that_have_results_the_conformance_specs_without_one_are_listed() -> None:
    specs = ["[sig-network] a [Conformance]", "[sig-network] b [Conformance]", "[sig-network] c", "[sig-apps] d [Conformance]"]
    assert shown.not_run(specs, [specs[0]]).splitlines()[-1] == "- `[sig-network] b [Conformance]`"


def test_serial_and_disruptive_specs_run_alone() -> None:
    assert [is_serial(spec) for spec in ("a [Serial]", "a [Disruptive]", "a [Slow]")] == [True, True, False]


def test_specs_are_chosen_by_two_patterns() -> None:
    assert chosen(["[sig-apps] a", "[sig-apps] b [Slow]", "[sig-node] c"], r"\[sig-apps\]", "Slow") == ["[sig-apps] a"]
