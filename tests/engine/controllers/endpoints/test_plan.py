from pilothouse.engine.controllers.endpoints import facts, plan
from tests.engine.controllers.objects import pod, service


def test_ready_and_unready_addresses_are_kept_apart_and_ending_pods_left_out() -> None:
    pods = [pod("b", ip="10.1.0.2", ready_s=1), pod("a", ip="10.1.0.1"), pod("c", ip="10.1.0.3", ready_s=1, deleting=True)]
    (subset,) = plan.build(service(), facts.chosen(service(), pods), None)["subsets"]
    assert [each["ip"] for each in subset["addresses"]] == ["10.1.0.2"]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == ["10.1.0.1"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_the_same_pods_in_another_order_are_the_same_endpoints() -> None:
    pods = [pod(str(n), ip=f"10.1.0.{n}", ready_s=1) for n in range(1, 9)]
    current = plan.build(service(), pods, None)
    assert plan.build(service(), pods[::-1], current) == current


def test_no_pod_means_no_subset() -> None:
    assert "subsets" not in plan.build(service(), [], None)


def test_more_than_a_thousand_addresses_are_cut_with_a_note() -> None:
    pods = [pod(str(n), ip=f"10.1.{n // 250}.{n % 250}", **({"ready_s": 1} if n > 100 else {})) for n in range(1100)]
    built = plan.build(service(), pods, None)
    assert built["metadata"]["annotations"] == {plan.OVER_CAPACITY: "truncated"}
    assert len(built["subsets"][0]["addresses"]) == 999
    fewer = plan.build(service(), pods[:5], built)
    assert plan.OVER_CAPACITY not in fewer["metadata"]["annotations"]
