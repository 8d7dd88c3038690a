"""Image archives: what is in them, and the entrypoint as a shell runs it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile

import pytest

from overweave.lab.archives import CONSUL_CONFIG, CONSUL_ENTRYPOINT, Layer, archive


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: (info, tar.extractfile(info).read() if info.isfile() else b"") for info in tar}


def small_layer():
    layer = Layer()
    layer.folder("tmp", 0o1777)
    layer.file("usr/local/bin/tool", b"#!/bin/sh\n", 0o755)
    layer.link("bin/sh", "busybox")
    return layer


def test_an_archive_is_what_docker_save_writes():
    parts = members(archive("consul:1.8.7", small_layer(), CONSUL_CONFIG))
    (manifest,) = json.loads(parts["manifest.json"][1])
    assert manifest["RepoTags"] == ["consul:1.8.7"]
    about = json.loads(parts[manifest["Config"]][1])
    assert manifest["Config"] == f"{hashlib.sha256(parts[manifest['Config']][1]).hexdigest()}.json"
    assert about["os"] == "linux"
    assert about["config"]["Entrypoint"] == ["docker-entrypoint.sh"]
    assert about["config"]["Volumes"] == {"/consul/data": {}}
    (name,) = manifest["Layers"]
    layer = gzip.decompress(parts[name][1])
    assert about["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    files = members(layer)
    assert files["tmp"][0].mode == 0o1777
    assert (files["usr/local/bin/tool"][0].mode, files["usr/local/bin/tool"][1]) == (0o755, b"#!/bin/sh\n")
    assert files["bin/sh"][0].linkname == "busybox"
    assert {(info.uid, info.gid, info.mtime) for info, _ in files.values()} == {(0, 0, 0)}


def test_folders_come_before_what_is_in_them():
    names = list(members(small_layer().tar()))
    assert names == ["bin", "bin/sh", "tmp", "usr", "usr/local", "usr/local/bin", "usr/local/bin/tool"]


def test_equal_input_gives_equal_bytes():
    assert archive("a:1", small_layer(), {"Cmd": ["sh"]}) == archive("a:1", small_layer(), {"Cmd": ["sh"]})


STUB = """#!/bin/sh
if [ "$1" = --help ]; then
    [ "$2" = members ] && echo "Usage: consul members [options]"
    exit 0
fi
printf '%s\\n' consul "$@"
"""


@pytest.fixture
def entrypoint(tmp_path):
    """Runs the entrypoint where `consul` prints its arguments, one a line: (status, lines, config)."""
    tools, config = tmp_path / "bin", tmp_path / "config"
    tools.mkdir()
    config.mkdir()
    (tools / "consul").write_text(STUB)
    (tools / "consul").chmod(0o755)
    script = tmp_path / "entrypoint"
    script.write_text(CONSUL_ENTRYPOINT)

    def run(*words, **variables):
        environment = {
            "PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin",
            "CONSUL_CONFIG_DIR": str(config),
            **variables,
        }
        done = subprocess.run(
            ("sh", str(script), *words), env=environment, capture_output=True, text=True, check=False
        )
        written = {path.name: path.read_text() for path in config.iterdir()}
        return done.returncode, (done.stdout + done.stderr).splitlines(), written

    run.config = config
    return run


def test_agent_is_given_its_folders(entrypoint):
    status, lines, written = entrypoint("agent", "-server", "-ui", "-node-meta=a:b c")
    assert (status, written) == (0, {})
    assert lines == [
        *("consul", "agent", "-data-dir=/consul/data", f"-config-dir={entrypoint.config}"),
        *("-server", "-ui", "-node-meta=a:b c"),
    ]


def test_interfaces_become_addresses(entrypoint):
    _, lines, _ = entrypoint("agent", CONSUL_BIND_INTERFACE="lo", CONSUL_CLIENT_INTERFACE="lo")
    assert lines[4:] == ["-bind=127.0.0.1", "-client=127.0.0.1"]


def test_an_interface_without_address_is_an_error(entrypoint):
    status, lines, _ = entrypoint("agent", CONSUL_BIND_INTERFACE="nosuch0")
    assert (status, lines) == (1, ["Could not find IP for interface 'nosuch0', exiting"])


def test_local_configuration_is_written_as_it_is(entrypoint):
    text = '{"performance": {"raft_multiplier": 1}, "node_name": "a $b `c`"}'
    _, _, written = entrypoint("agent", CONSUL_LOCAL_CONFIG=text)
    assert written == {"local.json": f"{text}\n"}


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("members", "-wan"), ["consul", "members", "-wan"]),
        (("version",), ["consul", "version"]),
        (("-version",), ["consul", "-version"]),
        (("echo", "hello"), ["hello"]),
        (("consul", "kv", "get", "a b"), ["consul", "kv", "get", "a b"]),
    ],
)
def test_other_words_are_run_as_they_are(entrypoint, words, lines):
    assert entrypoint(*words)[:2] == (0, lines)
