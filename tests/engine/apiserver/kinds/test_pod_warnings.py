"""What a pod's author is warned about."""

import pytest

from pilothouse.engine.apiserver.kinds.pods import POD
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import container, created, named, pod, pod_with

PORT = {"containerPort": 80}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(), []),
        (pod_with(ports=[PORT, dict(PORT)]), ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
        (
            pod_with(resources={"requests": {"memory": "100m"}}),
            ['spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer'],
        ),
        (pod(imagePullSecrets=[{}]), ['spec.imagePullSecrets[0].name: invalid empty name ""']),
        (
            pod(volumes=[{"name": "v", "gitRepo": {"repository": "r"}}]),
            ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
        ),
        (pod(volumes=[{"name": "v", "projected": {"sources": [{}]}}]), ['volume "v" (Projected) has no sources provided']),
        (
            named("a.b", spec={"containers": [container()]}),
            [
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
                "a DNS label is recommended: [must not contain dots]"
            ],
        ),
    ],
)
def test_doubtful_pods_are_accepted_with_a_warning(obj: Object, expected: list[str]) -> None:
    value = created(POD, obj)
    assert POD.validate(value) == []
    assert POD.warnings(value) == expected
