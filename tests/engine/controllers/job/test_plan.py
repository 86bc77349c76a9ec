from typing import Any

import pytest

from pilothouse.engine.controllers.job import facts, index_backoff, indexes, plan
from pilothouse.engine.controllers.job import policy as job_policy
from pilothouse.engine.controllers.job import status as job_status
from tests.engine.controllers.objects import NOW, ago, job, pod

TRACKED = [facts.FINALIZER]


def worker(name: str, phase: str = "Running", index: int | None = None, **more: Any) -> dict[str, Any]:
    found = pod(name, phase=phase, finalizers=TRACKED, **more)
    if index is not None:
        found["metadata"]["annotations"] = {indexes.ANNOTATION: str(index)}
    return found


def verdict(wanted: dict[str, Any], *pods: dict[str, Any]) -> str | None:
    found = plan.verdict(wanted, plan.tally(wanted, pods), NOW)
    return None if found is None else found.reason


def test_a_job_is_complete_with_its_completions() -> None:
    assert verdict(job(completions=2, parallelism=2), worker("a", "Succeeded")) is None
    assert verdict(job(completions=2, parallelism=2), worker("a", "Succeeded"), worker("b", "Succeeded")) == "CompletionsReached"


def test_a_work_queue_is_complete_when_one_succeeded_and_none_runs() -> None:
    queue = job(completions=None, parallelism=2)
    assert verdict(queue, worker("a", "Succeeded"), worker("b")) is None
    assert verdict(queue, worker("a", "Succeeded"), worker("b", "Failed")) == "CompletionsReached"


def test_no_pod_is_made_for_a_work_queue_once_one_succeeded() -> None:
    queue = job(completions=None, parallelism=3)
    assert plan.lacking(queue, plan.tally(queue, [worker("a", "Succeeded"), worker("b")])) == 0


def test_too_many_failures_end_the_job() -> None:
    failed = [worker(str(n), "Failed") for n in range(3)]
    assert verdict(job(backoffLimit=3), *failed) is None
    assert verdict(job(backoffLimit=2), *failed) == "BackoffLimitExceeded"


def test_restarts_in_place_count_against_the_limit_too() -> None:
    patient = job(backoffLimit=3, template={"spec": {"restartPolicy": "OnFailure"}})
    assert verdict(patient, worker("a", restarts=2)) is None
    assert verdict(patient, worker("a", restarts=3)) == "BackoffLimitExceeded"


def test_a_job_has_until_its_deadline() -> None:
    assert verdict(job(activeDeadlineSeconds=5), worker("a")) == "DeadlineExceeded"
    assert verdict(job(activeDeadlineSeconds=50), worker("a")) is None
    assert plan.deadline_left_s(job(activeDeadlineSeconds=50), NOW) == 40


def test_a_suspended_job_has_no_deadline_and_wants_no_pods() -> None:
    suspended = job(activeDeadlineSeconds=5, suspend=True)
    found = plan.tally(suspended, [worker("a")])
    assert plan.verdict(suspended, found, NOW) is None
    assert len(plan.surplus(suspended, found)) == 1


def test_a_decision_stands_whatever_comes_later() -> None:
    status = {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "m"}]}
    assert verdict(job(status=status), worker("a", "Succeeded")) == "DeadlineExceeded"


def test_no_more_pods_than_completions_are_left_to_do() -> None:
    wanted = job(completions=5, parallelism=4, status={"succeeded": 3})
    assert plan.lacking(wanted, plan.tally(wanted, [worker("a")])) == 1


def test_an_ending_pod_is_replaced_at_once_unless_only_failed_ones_are() -> None:
    ending = worker("a", deleting=True)
    for policy, expected in (("TerminatingOrFailed", 1), ("Failed", 0)):
        wanted = job(podReplacementPolicy=policy)
        assert plan.lacking(wanted, plan.tally(wanted, [ending])) == expected


def test_surplus_pods_that_achieved_least_go_first() -> None:
    wanted = job(completions=9, parallelism=1)
    pods = [worker("ready", ready_s=5), worker("pending", "Pending", node="")]
    assert plan.surplus(wanted, plan.tally(wanted, pods)) == [pods[1]]


def test_an_indexed_job_fills_the_first_free_indexes() -> None:
    wanted = job(completions=6, parallelism=3, completionMode="Indexed", status={"completedIndexes": "0,3"})
    found = plan.tally(wanted, [worker("a", index=1), worker("b", "Failed", index=2)])
    assert plan.next_indexes(wanted, found, plan.lacking(wanted, found)) == [2, 4]


def test_an_index_that_succeeded_twice_counts_once() -> None:
    wanted = job(completions=2, completionMode="Indexed")
    assert verdict(wanted, worker("a", "Succeeded", index=0), worker("b", "Succeeded", index=0)) is None


def test_pods_of_indexes_that_are_no_longer_wanted_go_before_others() -> None:
    fewer = job(completions=2, parallelism=2, completionMode="Indexed")
    active = [worker(str(index), index=index, age_s=100 + index, node="" if index < 2 else "n1") for index in range(4)]
    gone = plan.surplus(fewer, plan.tally(fewer, active))
    assert {pod["metadata"]["name"] for pod in gone} == {"2", "3"}


def test_of_two_pods_of_an_index_the_younger_goes() -> None:
    wanted = job(completions=2, parallelism=2, completionMode="Indexed")
    pods = [worker("young", index=0, age_s=5), worker("old", index=0, age_s=50)]
    assert plan.surplus(wanted, plan.tally(wanted, pods)) == [pods[0]]


@pytest.mark.parametrize(("failures", "since_s", "left_s"), [(0, 0, 0), (1, 4, 6), (2, 4, 16), (3, 100, 0), (99, 0, 600)])
def test_failures_in_a_row_delay_the_next_try(failures: int, since_s: float, left_s: float) -> None:
    assert plan.backoff_left_s(failures, NOW - since_s, NOW) == left_s


def test_a_finished_pod_is_noted_then_released_then_counted() -> None:
    wanted, done = job(completions=3), worker("a", "Succeeded")
    noted = job_status.note(wanted["status"], plan.tally(wanted, [done]), indexed=False)
    assert noted["uncountedTerminatedPods"] == {"succeeded": ["uid-a"]}
    again = job(completions=3, status=noted)
    assert plan.tally(again, [done]).succeeded == 1
    assert job_status.settle(again, {"uid-a"}) == noted
    settled = job_status.settle(again, set())
    assert (settled["succeeded"], settled["uncountedTerminatedPods"]) == (1, {})


def test_suspending_clears_the_start_and_resuming_sets_it_anew() -> None:
    suspended = job_status.started(job(suspend=True), {"startTime": ago(50)}, NOW)
    assert "startTime" not in suspended
    resumed = job_status.started(job(), suspended, NOW)
    assert resumed["startTime"] == ago(0)
    assert resumed["conditions"][0]["reason"] == "JobResumed"


def test_a_rule_on_exit_codes_ends_the_job_with_its_reason() -> None:
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    failed = worker("a", "Failed")
    failed["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"exitCode": 42}}}]
    wanted = job(podFailurePolicy={"rules": rules})
    assert verdict(wanted, failed) == "PodFailurePolicy"
    found = job_policy.match(rules, failed)
    assert found is not None
    assert found.message == "Container c for pod default/a failed with exit code 42 matching FailJob rule at index 0"


def test_an_ignored_failure_does_not_count() -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    failed = worker("a", "Failed")
    failed["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    assert verdict(job(backoffLimit=0, podFailurePolicy={"rules": rules}), failed) is None


def test_a_success_policy_needs_only_its_indexes() -> None:
    wanted = job(completions=5, completionMode="Indexed", successPolicy={"rules": [{"succeededIndexes": "0,2-3", "succeededCount": 2}]})
    assert verdict(wanted, worker("a", "Succeeded", index=0), worker("b", "Succeeded", index=1)) is None
    assert verdict(wanted, worker("a", "Succeeded", index=0), worker("b", "Succeeded", index=3)) == "SuccessPolicy"


def per_index(limit: int = 1, **spec: Any) -> dict[str, Any]:
    return job(completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=limit, backoffLimit=2**31 - 1, **spec)


def failed(name: str, index: int, before: int, since_s: float = 100) -> dict[str, Any]:
    found = worker(name, "Failed", index=index)
    found["metadata"]["annotations"][index_backoff.FAILURES] = str(before)
    found["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"exitCode": 1, "finishedAt": ago(since_s)}}}]
    return found


def test_an_index_is_given_up_when_it_failed_too_often_and_the_others_run_on() -> None:
    wanted = per_index()
    found = plan.tally(wanted, [failed("a", 0, 1), failed("b", 1, 0), worker("c", index=2)])
    assert found.backoff.failed == {0}
    assert plan.verdict(wanted, found, NOW) is None
    assert plan.next_indexes(wanted, found, 3) == [1]
    assert found.backoff.failures[1] == index_backoff.Failures(counted=1)


def test_each_index_waits_by_itself() -> None:
    found = plan.tally(per_index(9), [failed("a", 0, 0, since_s=4), failed("b", 1, 1, since_s=100)]).backoff
    assert index_backoff.ready(found, [0, 1, 2], NOW) == ([1, 2], 6)


def test_an_ignored_failure_delays_the_next_try_of_its_index_and_does_not_give_it_up() -> None:
    rules = [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}]
    forgiving = job(completions=1, completionMode="Indexed", backoffLimitPerIndex=0, podFailurePolicy={"rules": rules})
    pod = failed("a", 0, before=0)
    ended = {"terminated": {"exitCode": 7, "finishedAt": ago(4)}}
    pod["status"]["containerStatuses"] = [{"name": "c", "state": ended}]
    pod["metadata"]["annotations"][index_backoff.IGNORED] = "1"
    found = plan.tally(forgiving, [pod]).backoff
    assert (found.failed, found.failures[0]) == (set(), index_backoff.Failures(counted=0, ignored=2))
    assert index_backoff.ready(found, [0], NOW) == ([], 16)
    made = index_backoff.annotate(pod, found.failures[0])
    assert index_backoff.failures_of(made) == found.failures[0]


def test_the_last_failed_pod_of_an_index_is_held_until_it_is_replaced() -> None:
    wanted = per_index(3)
    pods = [failed("old", 0, 0), failed("last", 0, 1), failed("up", 1, 3), worker("c", "Succeeded", index=2)]
    found = plan.tally(wanted, pods)
    assert found.failed == 3
    assert [each["metadata"]["name"] for each in plan.countable(wanted, pods, found, None).new_failed] == ["old", "up"]
    replaced = [*pods, worker("new", index=0)]
    found = plan.tally(wanted, replaced)
    assert len(plan.countable(wanted, replaced, found, None).new_failed) == 3


def test_nothing_is_held_once_the_job_is_decided_or_where_failures_count_for_the_whole_job() -> None:
    pods = [failed("a", 0, 0)]
    wanted = per_index(3)
    decided = plan.Verdict("Failed", "DeadlineExceeded", "")
    assert len(plan.countable(wanted, pods, plan.tally(wanted, pods), decided).new_failed) == 1
    plain = job(completions=3, completionMode="Indexed")
    assert len(plan.countable(plain, pods, plan.tally(plain, pods), None).new_failed) == 1


def test_a_job_fails_when_all_indexes_are_decided_and_one_has_failed() -> None:
    pods = [failed("a", 0, 1), worker("b", "Succeeded", index=1), worker("c", "Succeeded", index=2)]
    assert verdict(per_index(), *pods) == "FailedIndexes"


def test_a_job_fails_when_too_many_indexes_have() -> None:
    assert verdict(per_index(maxFailedIndexes=1), failed("a", 0, 1), failed("b", 1, 1)) == "MaxFailedIndexesExceeded"


def test_a_rule_may_give_an_index_up_at_once() -> None:
    rules = [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}]
    assert plan.tally(per_index(9, podFailurePolicy={"rules": rules}), [failed("a", 0, 0)]).backoff.failed == {0}


@pytest.mark.parametrize(("numbers", "text"), [(set(), ""), ({3}, "3"), ({1, 2}, "1,2"), ({0, 1, 2, 5, 7, 8, 9}, "0-2,5,7-9")])
def test_indexes_are_written_as_ranges_and_read_back(numbers: set[int], text: str) -> None:
    assert indexes.render(numbers) == text
    assert indexes.parse(text, 100) == numbers


def test_what_is_no_index_is_passed_over() -> None:
    assert indexes.parse(f"1,x,²,{'9' * 5000},2-y,3-", 100) == {1, 3}


def test_indexes_beyond_the_completions_are_dropped() -> None:
    assert indexes.parse("0-9", 3) == {0, 1, 2}
