"""The sentence of why no node takes a pod."""

from pilothouse.engine.scheduler.framework.plugin import Refusal, Unfit
from pilothouse.engine.scheduler.sentence import no_node, reasons_of, troubles_of


def test_what_is_the_pods_own_trouble_is_said_once_and_not_counted_by_nodes() -> None:
    trouble = Refusal("VolumeBinding", ("pod has unbound immediate PersistentVolumeClaims",), is_final=True, is_of_pod=True)
    unfit = Unfit({"n1": trouble, "n2": trouble, "n3": Refusal("NodePorts", ("node(s) didn't have free ports",))})
    said = no_node(reasons_of(unfit), len(unfit.refusals), troubles_of(unfit))
    assert said == ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims, 1 node(s) didn't have free ports.")
