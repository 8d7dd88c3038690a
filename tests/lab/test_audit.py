"""The logs on the hosts and the one of the run, as a deployment of three hosts writes them."""

from __future__ import annotations

import json
import os
import socket
import stat

import pytest
from tests.lab.bed import NET, load

from overweave.lab.recipe import SUDO_PASSWORD

pytestmark = pytest.mark.lab

LOG = "/var/log/overweave/audit.jsonl"


@pytest.fixture
def fresh(clean):
    """Hosts without an overlay and without a log."""
    for host in clean.hosts:
        clean.do(host.name, "rm -rf /var/log/overweave")
    return clean


def entries(bed, name):
    return [json.loads(line) for line in bed.do(name, f"cat {LOG}").splitlines()]


def test_a_deployment_stands_in_the_log_of_each_host(fresh, tmp_path):
    """Through sudo, too, it knows from where."""
    inventory = fresh.wanted()
    inventory["ssh"]["user"] = "ops"
    fresh.deploy(inventory=fresh.write("ops.yml", inventory)).ok()
    for name in ("host1", "host2", "host3"):
        its = entries(fresh, name)
        first, *steps, last = its
        assert (first["kind"], last["kind"], last["outcome"]) == ("begin", "end", "ok")
        assert {e["run"] for e in its} == {first["run"]}
        assert {e["from"] for e in its} == {f"{NET}.1"}
        assert {e["task"] for e in its} == {"deploy-overlay"}
        assert first["who"].endswith(f"@{socket.gethostname()}")
        assert first["plan"]
        done = [e["step"] for e in steps if e["kind"] == "step"]
        assert any("restart the engine" in step for step in done)
        assert {e["outcome"] for e in steps} == {"ok"}
        assert fresh.do(name, f"stat -c '%a %U' {LOG} $(dirname {LOG})").split() == [
            "600",
            "root",
            "700",
            "root",
        ]
    shown = fresh.fab("audit", "--run", first["run"], "--json", str(tmp_path / "audit.json")).ok().out
    assert "deploy-overlay begins, by " in shown
    read = load(tmp_path / "audit.json")
    assert {e["host"] for e in read["entries"]} == {"host1", "host2", "host3"}
    assert [e["time"] for e in read["entries"]] == sorted(e["time"] for e in read["entries"])
    assert len(fresh.fab("audit", "--last", "2").ok().out.splitlines()) == 2


def test_a_host_whose_log_can_not_be_written_or_is_full_is_deployed_with_one_warning(fresh):
    for name, options in (("host2", "ro"), ("host3", "size=4k")):
        fresh.do(name, f"mkdir -p /var/log/overweave && mount -t tmpfs -o {options} none /var/log/overweave")
        end = "umount /var/log/overweave; rmdir /var/log/overweave"
        fresh.undo.append(lambda name=name, end=end: fresh.do(name, end))
    fresh.do("host3", "head -c 4096 /dev/zero > /var/log/overweave/full || true")
    ran = fresh.deploy().ok()
    assert "host2     warning: /var/log/overweave can't be written to: " in ran.err
    warnings = [line for line in ran.err.splitlines() if f"host2     warning: {LOG} can't be written" in line]
    assert len(warnings) == 1
    assert "Read-only file system" in warnings[0]
    assert "host3     warning: /var/log/overweave has 0 MB free, and 4 MB are needed" in ran.err
    warnings = [line for line in ran.err.splitlines() if f"host3     warning: {LOG} can't be written" in line]
    assert len(warnings) == 1


def test_a_line_that_somebody_broke_is_named(deployed):
    deployed.do("host2", f"mkdir -p {LOG.rpartition('/')[0]}; printf '{{\"x\\033[31m\\n' >> {LOG}")
    deployed.undo.append(lambda: deployed.do("host2", f"sed -i '$d' {LOG}"))
    ran = deployed.fab("audit").ok()
    assert "host2: 1 line can't be read: {\"x [31m" in ran.out


def test_the_story_of_a_failure_is_named_and_holds_what_was_said(deployed):
    deployed.do("host2", "ln -s /bin/false /usr/local/bin/ip")
    deployed.undo.append(lambda: deployed.do("host2", "rm /usr/local/bin/ip"))
    ran = deployed.fab("status")
    assert ran.status == 5, ran
    story = ran.story
    assert story is not None
    assert ran.err.splitlines()[-1] == f"the whole story: {story}"
    assert story.parent == deployed.home / ".local/state/overweave/runs"
    assert [stat.S_IMODE(p.stat().st_mode) for p in (story, story.parent)] == [0o600, 0o700]
    text = story.read_text()
    assert "ip -json -4 address show" in text
    assert "# looking at all hosts" in text
    assert "ended by CommandFailed: host2: " in text


def test_a_red_proof_names_its_story_and_a_wrong_word_does_not(deployed):
    deployed.drop("host2", "udp", 4789, "host3")
    ran = deployed.fab("validate-overlay")
    assert ran.status == 1, ran
    assert ran.story is not None
    assert "exit code 1" in ran.story.read_text()
    assert deployed.fab("status", "-H", "").story is None
    assert deployed.fab("status", "--inventory", "nowhere.yml").story is None


def test_no_secret_is_in_a_story(deployed):
    config = deployed.folder / "sudo.yaml"
    config.write_text(f"sudo:\n  password: {SUDO_PASSWORD}\n")
    ran = deployed.fab("-f", str(config), "status", "-H", "pwops@host1").ok()
    assert ran.story is None
    newest = max((deployed.home / ".local/state/overweave/runs").iterdir(), key=os.path.getmtime)
    text = newest.read_text()
    assert f"connect to pwops@{NET}.11" in text
    assert SUDO_PASSWORD not in text


def test_a_home_that_can_not_be_written_is_one_warning(deployed, tmp_path):
    (tmp_path / "file").write_text("")
    ran = deployed.fab("status", environment={"XDG_STATE_HOME": str(tmp_path / "file")}).ok()
    lines = [line for line in ran.err.splitlines() if "no log of this run can be written" in line]
    assert len(lines) == 1
