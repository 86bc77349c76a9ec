"""HTTP hooks and probes of real pods: what the kubelet lets pass, passes, and what it does not, does not."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.e2e.node.pods import Cluster, container, is_ready, pod, shell

pytestmark = pytest.mark.containers

SERVER = r"""cat > /srv.sh <<'END'
read method path version
case "$version" in HTTP*) ;; *) printf 'HTTP/1.1 400 Bad Request\r\n\r\n'; exit;; esac
length=0; status="200 OK"
case "$path" in
/dead) status="500 Internal Server Error";;
/away) status="302 Found\r\nLocation: http://elsewhere.invalid/";;
/slowbody) length=5;;
/a%20b) ;;
/a*) status="400 Bad Request";;
esac
printf "HTTP/1.1 $status\r\nContent-Length: $length\r\n\r\n"
[ $length = 0 ] || sleep 20
END
exec nc -ll -p 8080 -e sh /srv.sh"""


def served(name: str, **main: Any) -> Object:
    """A pod whose main container has a small HTTP server beside it."""
    up = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30}
    server = shell(SERVER, "srv", restartPolicy="Always", startupProbe=up)
    return pod(name, shell(**main), initContainers=[server], terminationGracePeriodSeconds=1)


def post_start(**action: Any) -> Object:
    return {"lifecycle": {"postStart": {"httpGet": {"port": 8080, **action}}}}


def readiness(path: str) -> Object:
    return {"readinessProbe": {"periodSeconds": 1, "httpGet": {"port": 8080, "path": path}}}


async def test_a_hook_succeeds_whatever_the_status(cluster: Cluster) -> None:
    found = await cluster.run(served("post500", **post_start(path="/dead")))
    assert container(found)["restartCount"] == 0


async def test_a_hook_over_https_falls_back_to_http(cluster: Cluster) -> None:
    await cluster.run(served("posthttps", **post_start(path="/", scheme="HTTPS")))
    event = await cluster.said("posthttps", "LifecycleHTTPFallback")
    assert event["type"] == "Warning"


async def test_a_hook_that_nobody_answers_kills_the_container(cluster: Cluster) -> None:
    await cluster.create(pod("nobody", shell(**post_start(path="/")), terminationGracePeriodSeconds=1))
    event = await cluster.said("nobody", "FailedPostStartHook")
    assert "connection refused" in event["message"]


async def test_a_redirect_to_elsewhere_is_ready_with_a_warning(cluster: Cluster) -> None:
    await cluster.run(served("redirect", **readiness("/away")))
    event = await cluster.said("redirect", "ProbeWarning")
    assert event["message"].startswith("Readiness probe warning: Probe terminated redirects")


async def test_a_path_with_a_space_is_sent_escaped(cluster: Cluster) -> None:
    await cluster.run(served("space", **readiness("/a b")))


async def test_a_body_that_does_not_come_in_time_is_not_ready(cluster: Cluster) -> None:
    await cluster.create(served("slowbody", **readiness("/slowbody")))
    event = await cluster.said("slowbody", "Unhealthy")
    assert "while reading body" in event["message"]
    assert not is_ready(await cluster.until("slowbody", lambda found: True))
