import json
import subprocess
from pathlib import Path

from pilothouse.network.pod import plugin


def test_the_scripts_are_plain_sh(tmp_path: Path) -> None:
    for script in (plugin.plugin_script(tmp_path / "a b.sock"), plugin.loopback_script()):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_installing_twice_writes_once_and_uninstalling_leaves_nothing(tmp_path: Path) -> None:
    conf, binaries, socket = tmp_path / "net.d", tmp_path / "bin", tmp_path / "cni.sock"
    plugin.install(conf, binaries, socket)
    written = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    plugin.install(conf, binaries, socket)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()} == written
    assert {path.name for path in written} == {"10-pilothouse.conflist", "pilothouse", "loopback"}
    plugin.uninstall(conf, binaries)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_configuration_asks_the_runtime_for_host_ports() -> None:
    (only,) = json.loads(plugin.conflist())["plugins"]
    assert only == {"type": "pilothouse", "capabilities": {"portMappings": True}}


def test_the_loopback_plugin_answers_without_anybody(tmp_path: Path) -> None:
    script = tmp_path / "loopback"
    script.write_text(plugin.loopback_script())
    for command, key in (("ADD", "interfaces"), ("VERSION", "supportedVersions")):
        done = subprocess.run(["sh", script], env={"CNI_COMMAND": command, "CNI_NETNS": "/n"}, capture_output=True, check=True)
        assert key in json.loads(done.stdout)
    assert subprocess.run(["sh", script], env={"CNI_COMMAND": "DEL"}, capture_output=True, check=True).stdout == b""
