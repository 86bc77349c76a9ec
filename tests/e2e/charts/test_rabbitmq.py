"""RabbitMQ by helm: brokers find each other through a headless service and the API, and keep what was published."""

from collections.abc import Callable

import pytest

from tests.e2e.charts.release import Release, down_and_up, restart_node
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
CTL = "/usr/lib/rabbitmq/bin/rabbitmqctl -q"
FIRST, SECOND = "q-rabbitmq-0", "q-rabbitmq-1"


@pytest.fixture
def broker(images: Callable[..., str], release: Callable[[str], Release]) -> Release:
    images("rabbitmq", "3.10", "3.10-r1")
    return release("q")


def http(broker: Release, pod: str, method: str, path: str, body: str = "") -> str:
    """What the management API at the pod answers, asked from inside of it."""
    data = f"-d '{body}'" if body else ""
    return broker.sh(pod, f'curl -sS -u "user:$(cat /opt/secrets/rabbitmq-password)" -X {method} {data} http://localhost:15672/api/{path}')


def publish(broker: Release, text: str) -> None:
    http(broker, FIRST, "PUT", "queues/%2F/work", '{"durable": true, "arguments": {"x-queue-type": "quorum"}}')
    message = f'{{"properties": {{"delivery_mode": 2}}, "routing_key": "work", "payload": "{text}", "payload_encoding": "string"}}'
    assert "true" in http(broker, FIRST, "POST", "exchanges/%2F/amq.default/publish", message)


def take(broker: Release, pod: str, text: str) -> None:
    """The message is consumed at that broker."""
    ask = '{"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}'

    def comes() -> bool:
        return f'"payload":"{text}"' in http(broker, pod, "POST", "queues/%2F/work/get", ask)

    eventually(comes, 60, 1)


def is_clustered(broker: Release, size: int) -> None:
    def holds() -> bool:
        said = broker.sh(FIRST, f"{CTL} cluster_status --formatter json", container="rabbitmq", check=False)
        return said.partition('"running_nodes"')[2].partition("]")[0].count("rabbit@q-rabbitmq-") == size

    eventually(holds, 90, 1)


def test_brokers_find_each_other_and_keep_messages_over_their_whole_life(broker: Release) -> None:
    helm = broker.helm
    helm.install("q", "rabbitmq")
    is_clustered(broker, 2)
    publish(broker, "one")
    take(broker, SECOND, "one")
    publish(broker, "two")
    helm.upgrade("q", "rabbitmq", "--set", "image.tag=3.10-r1")
    is_clustered(broker, 2)
    take(broker, SECOND, "two")
    publish(broker, "three")
    helm.rollback("q", 1)
    broker.replace(SECOND)
    restart_node(broker.instance)
    down_and_up(broker.instance)
    is_clustered(broker, 2)
    take(broker, FIRST, "three")
    broker.kubectl("scale", "statefulset/q-rabbitmq", "--replicas=3")
    broker.is_ready(3, deadline_s=150)
    is_clustered(broker, 3)
    publish(broker, "four")
    helm.uninstall("q")
    broker.is_gone()
    assert broker.claims() == [f"data-q-rabbitmq-{number}" for number in range(3)]
