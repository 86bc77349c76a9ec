"""Pods as real containers: what their status, logs and events say, and how they come and go."""

import asyncio
from ipaddress import IPv4Address, IPv4Network

import pytest

from pilothouse.model.errors import BadRequest
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, PODS, SECRETS, SERVICES
from tests.e2e.node.pods import BUSYBOX, Cluster, container, is_ready, pod, shell, waits_for

pytestmark = pytest.mark.containers


async def test_a_pod_becomes_ready_and_goes_without_a_trace(cluster: Cluster) -> None:
    found = await cluster.run(pod("plain"))
    status = found["status"]
    assert status["phase"] == "Running"
    assert IPv4Address(status["podIP"]) in IPv4Network(f"{cluster.config.addresses[0]}/16", strict=False)
    assert container(found)["state"]["running"]
    assert container(found)["restartCount"] == 0
    await cluster.delete("plain")
    async with asyncio.timeout(25):
        while cluster.config.pod_dir(found["metadata"]["uid"]).exists() or list(cluster.config.logs_dir.iterdir()):
            await asyncio.sleep(0.02)


async def test_a_pod_that_ends_well_has_succeeded(cluster: Cluster) -> None:
    found = await cluster.finish(pod("well", shell("echo done"), restartPolicy="Never"))
    assert found["status"]["phase"] == "Succeeded"
    ended = container(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert await cluster.logs("well") == "done\n"


async def test_a_pod_that_ends_badly_has_failed_and_shows_its_last_words(cluster: Cluster) -> None:
    script = "echo broken > /dev/termination-log; exit 3"
    found = await cluster.finish(pod("badly", shell(script), restartPolicy="Never"))
    ended = container(found)["state"]["terminated"]
    assert (found["status"]["phase"], ended["exitCode"], ended["reason"], ended["message"]) == ("Failed", 3, "Error", "broken\n")


async def test_the_log_speaks_for_a_container_without_a_message(cluster: Cluster) -> None:
    spec = shell("echo from the log; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    found = await cluster.finish(pod("logged", spec, restartPolicy="Never"))
    assert container(found)["state"]["terminated"]["message"] == "from the log\n"


async def test_a_crashing_container_is_restarted_and_then_backs_off(cluster: Cluster) -> None:
    await cluster.create(pod("crash", shell("echo try; exit 1")))
    found = await cluster.until("crash", waits_for("CrashLoopBackOff"))
    status = container(found)
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main pod=crash_default(")
    assert found["status"]["phase"] == "Running"
    assert await cluster.logs("crash", previous=True) == "try\n"
    await cluster.said("crash", "BackOff")


async def test_init_containers_run_one_after_another_before_the_others(cluster: Cluster) -> None:
    mount: Object = {"volumeMounts": [{"name": "shared", "mountPath": "/s"}]}
    inits = [shell("echo 1 >> /s/order", "one", **mount), shell("echo 2 >> /s/order", "two", **mount)]
    spec = pod(
        "init", shell("cat /s/order", **mount), initContainers=inits, volumes=[{"name": "shared", "emptyDir": {}}], restartPolicy="Never"
    )
    found = await cluster.finish(spec)
    assert await cluster.logs("init", container="main") == "1\n2\n"
    assert container(found, "two", "initContainerStatuses")["state"]["terminated"]["reason"] == "Completed"


async def test_a_failing_init_container_fails_a_pod_that_never_restarts(cluster: Cluster) -> None:
    found = await cluster.finish(pod("badinit", shell(), initContainers=[shell("exit 1", "one")], restartPolicy="Never"))
    assert found["status"]["phase"] == "Failed"
    assert container(found)["state"]["waiting"]["reason"] == "PodInitializing"


async def test_a_sidecar_runs_beside_and_ends_after_the_others(cluster: Cluster) -> None:
    sidecar = shell(name="side", restartPolicy="Always")
    found = await cluster.finish(pod("sided", shell("sleep 0.2"), initContainers=[sidecar], restartPolicy="Never"))
    assert found["status"]["phase"] == "Succeeded"


async def test_a_missing_image_that_must_not_be_pulled(cluster: Cluster) -> None:
    await cluster.create(pod("never", shell() | {"image": "nowhere.invalid/x:1", "imagePullPolicy": "Never"}))
    await cluster.until("never", waits_for("ErrImageNeverPull"))


async def test_an_image_that_cannot_be_pulled_is_tried_again_later(cluster: Cluster) -> None:
    await cluster.create(pod("nopull", shell() | {"image": "127.0.0.1:1/x:1"}))
    await cluster.until("nopull", waits_for("ErrImagePull"))
    await cluster.until("nopull", waits_for("ImagePullBackOff"))


async def test_an_image_name_that_is_none(cluster: Cluster) -> None:
    await cluster.create(pod("noname", shell() | {"image": "UPPER/Case:::"}))
    await cluster.until("noname", waits_for("InvalidImageName"))


async def test_a_container_waits_for_the_configmap_of_its_environment(cluster: Cluster) -> None:
    variable = {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "word"}}}
    await cluster.create(pod("env", shell("echo $GREETING; sleep 100", env=[variable])))
    found = await cluster.until("env", waits_for("CreateContainerConfigError"))
    assert container(found)["state"]["waiting"]["message"] == 'configmap "late" not found'
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "late", "namespace": "default"}, "data": {"word": "hello"}})
    await cluster.until("env", is_ready)
    assert await cluster.logs("env") == "hello\n"


async def test_volumes_hold_what_they_are_made_of_and_follow_changes(cluster: Cluster) -> None:
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "one"}})
    await cluster.client.create(SECRETS, {"metadata": {"name": "sec", "namespace": "default"}, "stringData": {"k": "secret"}})
    volumes = [
        {"name": "cm", "configMap": {"name": "cm"}},
        {"name": "sec", "secret": {"secretName": "sec", "defaultMode": 0o400}},
        {"name": "down", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/v/{each['name']}"} for each in volumes]
    await cluster.run(pod("vols", shell(volumeMounts=[*mounts, {"name": "cm", "mountPath": "/one", "subPath": "a"}]), volumes=volumes))
    said, _ = await cluster.shell("vols", "cat /v/cm/a /one /v/sec/k /v/down/name; stat -L -c %a /v/sec/k; grep /v/mem /proc/mounts")
    assert said.startswith("oneonesecretvols400\n")
    assert "tmpfs" in said
    await cluster.client.patch(CONFIGMAPS, "cm", {"data": {"a": "two"}}, namespace="default")
    async with asyncio.timeout(25):
        while (await cluster.shell("vols", "cat /v/cm/a"))[0] != "two":
            await asyncio.sleep(0.05)


async def test_a_token_is_mounted_for_the_service_account(cluster: Cluster) -> None:
    await cluster.run(pod("token", automountServiceAccountToken=True))
    said, code = await cluster.shell("token", "cd /var/run/secrets/kubernetes.io/serviceaccount; wc -c < token; cat namespace ca.crt")
    assert code == 0
    assert int(said.split()[0]) > 100
    assert said.endswith("defaulta certificate")


async def test_a_volume_that_refers_to_nothing_is_told(cluster: Cluster) -> None:
    spec = pod("novol", shell(volumeMounts=[{"name": "v", "mountPath": "/v"}]), volumes=[{"name": "v", "configMap": {"name": "none"}}])
    await cluster.create(spec)
    event = await cluster.said("novol", "FailedMount")
    assert event["message"] == 'MountVolume.SetUp failed for volume "v" : configmap "none" not found'


async def test_services_and_the_pod_itself_are_in_the_environment(cluster: Cluster) -> None:
    ports = [{"port": 80, "name": "http"}]
    await cluster.client.create(
        SERVICES, {"metadata": {"name": "web-app", "namespace": "default"}, "spec": {"ports": ports, "selector": {"a": "b"}}}
    )
    field = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    whole = {"name": "URL", "value": "http://$(IP):$(UNKNOWN)$$"}
    found = await cluster.finish(pod("envs", shell("env", env=[field, whole]), restartPolicy="Never"))
    lines = (await cluster.logs("envs")).splitlines()
    assert f"URL=http://{found['status'].get('podIP')}:$(UNKNOWN)$" in lines
    assert "WEB_APP_SERVICE_PORT_HTTP=80" in lines
    assert any(line.startswith("KUBERNETES_SERVICE_HOST=") for line in lines)


async def test_an_oom_kill_is_called_by_its_name(cluster: Cluster) -> None:
    hog = shell("tail /dev/zero", resources={"limits": {"memory": "16Mi"}})
    found = await cluster.finish(pod("oom", hog | {"command": ["/bin/busybox", "tail", "/dev/zero"]}, restartPolicy="Never"))
    ended = container(found)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


async def test_a_deadline_ends_the_pod(cluster: Cluster) -> None:
    found = await cluster.finish(pod("late", activeDeadlineSeconds=1, restartPolicy="Never"))
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "DeadlineExceeded")


async def test_limits_reach_the_kernel(cluster: Cluster) -> None:
    limited = shell(resources={"limits": {"cpu": "500m", "memory": "64Mi"}})
    await cluster.run(pod("limits", limited))
    paths = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    said, _ = await cluster.shell("limits", f"cat {paths} 2>/dev/null")
    assert said.strip() == str(64 * 1024 * 1024)


async def test_security_settings_reach_the_process(cluster: Cluster) -> None:
    context = {
        "runAsUser": 1234,
        "runAsGroup": 2345,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    await cluster.run(pod("secure", shell(securityContext=context), securityContext={"fsGroup": 3456}))
    said, _ = await cluster.shell("secure", "id -u; id -g; id -G; touch /x 2>&1; grep -E 'NoNewPrivs|CapEff|Seccomp:' /proc/self/status")
    lines = said.split("\n")
    assert lines[:2] == ["1234", "2345"]
    assert "3456" in lines[2].split()
    assert "Read-only file system" in lines[3]
    assert "NoNewPrivs:\t1" in lines
    assert "CapEff:\t0000000000000000" in lines
    assert "Seccomp:\t2" in lines


async def test_a_root_image_is_refused_where_root_is_not_allowed(cluster: Cluster) -> None:
    await cluster.create(pod("root", shell(securityContext={"runAsNonRoot": True})))
    found = await cluster.until("root", waits_for("CreateContainerConfigError"))
    assert "image will run as root" in container(found)["state"]["waiting"]["message"]


async def test_names_are_resolved_as_the_pod_says(cluster: Cluster) -> None:
    aliases = [{"ip": "10.1.2.3", "hostnames": ["db", "db.local"]}]
    found = await cluster.run(pod("names", hostAliases=aliases, hostname="me", subdomain="sub"))
    said, _ = await cluster.shell("names", "cat /etc/hosts /etc/resolv.conf; hostname")
    assert "10.1.2.3\tdb\tdb.local" in said
    assert f"{found['status']['podIP']}\tme.sub.default.svc.cluster.local\tme" in said
    assert "nameserver 10.96.0.10" in said
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in said
    assert said.endswith("me\n")


async def test_the_hosts_network_gives_the_hosts_address(cluster: Cluster) -> None:
    found = await cluster.run(pod("hostnet", hostNetwork=True))
    assert found["status"]["podIP"] == found["status"]["hostIP"]


async def test_a_second_container_of_the_same_image_starts_as_well(cluster: Cluster) -> None:
    found = await cluster.run(pod("two", shell(), shell(name="other")))
    assert container(found, "other")["ready"]


async def test_logs_of_a_container_that_has_not_started_are_refused(cluster: Cluster) -> None:
    await cluster.create(pod("nolog", shell() | {"image": "127.0.0.1:1/x:1"}))
    await cluster.until("nolog", waits_for("ErrImagePull"))
    with pytest.raises(BadRequest, match="is waiting to start"):
        await cluster.logs("nolog")


async def test_events_tell_the_start_in_order(cluster: Cluster) -> None:
    await cluster.run(pod("told"))
    for reason in ("Pulled", "Created", "Started"):
        event = await cluster.said("told", reason)
        assert event["involvedObject"]["fieldPath"] == "spec.containers{main}"
    assert (await cluster.said("told", "Pulled"))["message"].startswith(f'Container image "{BUSYBOX}" already present on machine')


async def test_a_status_write_of_somebody_else_is_kept(cluster: Cluster) -> None:
    gate = {"readinessGates": [{"conditionType": "example.com/gate"}]}
    await cluster.create(pod("gated", **gate))
    await cluster.until("gated", lambda found: bool(container(found).get("ready")))
    patch = {"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}
    await cluster.client.patch(
        PODS, "gated", patch, namespace="default", type="application/strategic-merge-patch+json", subresource="status"
    )
    found = await cluster.until("gated", is_ready)
    assert any(each["type"] == "example.com/gate" for each in found["status"]["conditions"])
