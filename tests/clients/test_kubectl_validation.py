from tests.clients.kubectl import Kubectl, documents
from tests.clients.objects import deployment, pod, service


def create(kubectl: Kubectl, obj: object, *args: str) -> str:
    return kubectl.refused("create", "-f", "-", *args, stdin=documents(obj))  # type: ignore[arg-type]


def test_unknown_field_is_refused_with_its_path(kubectl: Kubectl) -> None:
    wanted = deployment("web")
    wanted["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    assert 'unknown field "spec.template.spec.containers[0].imagePullPolice"' in create(kubectl, wanted)


def test_unknown_field_is_a_warning_when_told_so(kubectl: Kubectl) -> None:
    wanted = pod("calm")
    wanted["spec"]["colour"] = "red"
    done = kubectl.attempt("create", "-f", "-", "--validate=warn", stdin=documents(wanted))
    assert done.returncode == 0
    assert 'Warning: unknown field "spec.colour"' in done.stderr


def test_unknown_field_is_dropped_in_silence_when_told_so(kubectl: Kubectl) -> None:
    wanted = pod("calm")
    wanted["spec"]["colour"] = "red"
    done = kubectl.attempt("create", "-f", "-", "--validate=ignore", stdin=documents(wanted))
    assert (done.returncode, done.stderr) == (0, "")
    assert "colour" not in kubectl.json("get", "pod", "calm")["spec"]


def test_wrong_type_is_refused(kubectl: Kubectl) -> None:
    wanted = deployment("web")
    wanted["spec"]["replicas"] = "three"
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in create(kubectl, wanted)


def test_missing_name_is_refused(kubectl: Kubectl) -> None:
    wanted = pod("calm")
    del wanted["metadata"]["name"]
    assert "resource name may not be empty" in create(kubectl, wanted) or "name or generateName is required" in create(kubectl, wanted)


def test_every_fault_of_an_object_is_told_at_once(kubectl: Kubectl) -> None:
    wanted = pod("calm", image="")
    wanted["spec"]["restartPolicy"] = "Sometimes"
    wanted["spec"]["containers"].append({"name": "main", "image": "nginx", "ports": [{"containerPort": 70000}]})
    said = create(kubectl, wanted)
    assert "* spec.containers[0].image: Required value" in said
    assert '* spec.restartPolicy: Unsupported value: "Sometimes"' in said
    assert '* spec.containers[1].name: Duplicate value: "main"' in said
    assert "must be between 1 and 65535" in said


def test_immutable_field_is_refused(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    other = deployment("web")
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    said = kubectl.refused("apply", "-f", "-", stdin=documents(other))
    assert "spec.selector: Invalid value" in said
    assert "field is immutable" in said


def test_change_of_a_running_pod_is_refused(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm"))
    said = kubectl.refused("patch", "pod", "calm", "-p", '{"spec": {"hostNetwork": true}}')
    assert "pod updates may not change fields other than" in said


def test_selector_that_does_not_match_the_template_is_refused(kubectl: Kubectl) -> None:
    wanted = deployment("web")
    wanted["spec"]["selector"]["matchLabels"] = {"app": "other"}
    assert "`selector` does not match template `labels`" in create(kubectl, wanted)


def test_node_port_out_of_range_is_refused(kubectl: Kubectl) -> None:
    wanted = service("web", type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    assert "provided port is not in the valid range" in create(kubectl, wanted)


def test_unknown_kind_is_refused(kubectl: Kubectl) -> None:
    said = create(kubectl, {"apiVersion": "apps/v1", "kind": "Fleet", "metadata": {"name": "a"}})
    assert 'no matches for kind "Fleet" in version "apps/v1"' in said
