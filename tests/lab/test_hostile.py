"""Hosts that lie, shout, or never stop: the product ends with an answer or an error, and prints no escape."""

from __future__ import annotations

import json
import shlex

import pytest
from tests.lab.bed import as_made

from overweave.adapters.engine_socket import SOCKET

pytestmark = pytest.mark.lab

ESCAPE = "\x1b"
LISTEN = (
    "systemd-run --quiet --unit nonsense --socket-property Accept=yes -p StandardInput=socket"
    " -p StandardOutput=socket"
)
"""A program for each connection, which it has as its standard input and output."""
STOP_NONSENSE = "systemctl stop nonsense.socket 'nonsense@*'; systemctl reset-failed 'nonsense*'"


def is_safe(ran):
    """Nothing of a host moved a cursor: no control character but line breaks was printed."""
    return all(c.isprintable() or c in "\n\t" for c in ran.out + ran.err)


@pytest.fixture
def bin(deployed):
    """Puts a script before the programs of host2, until the end of the test."""

    def put(name, script):
        path = f"/usr/local/bin/{name}"
        deployed.undo.append(lambda: deployed.do("host2", f"rm -f {path}"))
        deployed.do("host2", f"cat > {path} <<'STUB'\n#!/bin/sh\n{script}\nSTUB\nchmod 755 {path}")

    return put


def stub_files(bed, name, path, text):
    """Write a file of a host, and put back what was there at the end of the test."""
    bed.do(
        name,
        f"test ! -e {path} || cp -p {path} {path}.before; printf %s \"$(cat <<'X'\n{text}\nX\n)\" > {path}",
    )
    bed.undo.append(
        lambda: bed.do(name, f"if test -e {path}.before; then mv {path}.before {path}; else rm {path}; fi")
    )


def test_a_host_name_with_escapes_is_shown_without_them(deployed, bin):
    bin("uname", "printf 'a\\033[31mb\\033]0;x\\007\\n'")
    for words in (["status"], ["plan-overlay"], ["preflight"]):
        ran = deployed.fab(*words)
        assert is_safe(ran), ran
        assert "Traceback" not in ran.err


def test_labels_options_and_aliases_with_escapes(deployed):
    with_escape = "a\x1b[31mb\n[red]c"
    engine = deployed.at("host2")
    image = deployed.wanted()["images"].get("probe", "busybox:1.36")
    made = engine.create_container(image, "true", labels={with_escape: with_escape}, name="odd")
    deployed.undo.append(lambda: deployed.at("host2").remove_container(made["Id"], force=True))
    net = engine.create_network("odd", driver="bridge", options={"com.example": with_escape})
    deployed.undo.append(lambda: deployed.at("host2").remove_network(net["Id"]))
    deployed.do("host2", "ip link set eth0 alias \"$(printf 'x\\033[31my')\"")
    deployed.undo.append(lambda: deployed.do("host2", "ip link set eth0 alias ''"))
    for words in (["status"], ["deploy-overlay", "--yes"], ["preflight"]):
        ran = deployed.fab(*words)
        assert ran.status == 0, ran
        assert is_safe(ran), ran


@pytest.mark.parametrize(
    "stub",
    [
        "cat >/dev/null & printf '\\033[31mgarbage\\r\\n\\r\\n'; exec sleep 1",
        "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 99999999999\\r\\n\\r\\n'; exec yes",
        "exec yes",
    ],
    ids=["garbage", "endless body", "endless line"],
)
def test_an_engine_that_talks_nonsense(deployed, stub):
    deployed.do("host2", f"mv {SOCKET} {SOCKET}.before")
    deployed.undo.append(lambda: deployed.do("host2", f"mv {SOCKET}.before {SOCKET}"))
    deployed.undo.append(lambda: deployed.do("host2", STOP_NONSENSE))
    deployed.do("host2", f"{LISTEN} --socket-property ListenStream={SOCKET} sh -c {shlex.quote(stub)}")
    ran = deployed.fab("status")
    assert is_safe(ran), ran
    assert "\nhost2   DOWN " in ran.out
    assert ran.story is None or ran.story.is_file()


def test_a_program_that_never_stops_talking(deployed, bin):
    bin("ip", "exec yes")
    ran = deployed.fab("status")
    assert ran.status == 5, ran
    assert "its output has no end" in ran.said
    assert ran.said.startswith("overweave: host2: ")


def test_noise_of_a_login_shell_is_no_answer_and_its_umask_and_folder_are_none_of_ours(clean):
    noise = "echo 'Welcome, root!'; printf '\\033[31mno newline'; echo err >&2; umask 0; cd /"
    for name in ("host1", "host2"):
        stub_files(clean, name, "/root/.bashrc", noise)
    ran = clean.deploy()
    assert ran.status == 0, ran
    assert is_safe(ran), ran
    assert "Welcome" not in ran.out + ran.err
    listed = clean.do(
        "host1",
        "stat -c '%n %U:%G %a' /etc/systemd/system/docker.service.d /etc/systemd/system/docker.service.d/90-*"
        " /var/lib/overweave /var/lib/overweave/before.json"
        " /var/log/overweave /var/log/overweave/audit.jsonl",
    )
    assert listed.splitlines() == [
        "/etc/systemd/system/docker.service.d root:root 755",
        "/etc/systemd/system/docker.service.d/90-overweave.conf root:root 644",
        "/var/lib/overweave root:root 700",
        "/var/lib/overweave/before.json root:root 600",
        "/var/log/overweave root:root 700",
        "/var/log/overweave/audit.jsonl root:root 600",
    ]
    assert clean.fab("audit", "--last", "1").status == 0
    clean.fab("destroy-overlay", "--yes").ok()
    clean.mend()
    assert as_made(clean.state()) == as_made(clean.pristine)


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_posix_shells_of_a_user_with_sudo(deployed, shell):
    deployed.do("host2", f"usermod -s {shell} ops")
    deployed.undo.append(lambda: deployed.do("host2", "usermod -s /bin/bash ops"))
    ran = deployed.fab("status", "-H", "ops@host2")
    assert ran.status == 0, ran


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("/usr/sbin/nologin", "it says: This account is currently not available."),
        ("/bin/false", "it says nothing"),
        ("/usr/bin/python3", "it says: "),
    ],
)
def test_a_shell_that_runs_nothing_is_named(deployed, shell, said):
    if shell.endswith("python3"):
        stub_files(
            deployed, "host2", "/usr/local/bin/oddsh", "#!/bin/sh\necho 'Unmatched quote.' >&2; exit 1"
        )
        deployed.do("host2", "chmod 755 /usr/local/bin/oddsh")
        shell = "/usr/local/bin/oddsh"
    deployed.do("host2", f"usermod -s {shell} ops")
    deployed.undo.insert(0, lambda: deployed.do("host2", "usermod -s /bin/bash ops"))
    ran = deployed.fab("status", "-H", "ops@host2")
    assert ran.status == 3, ran
    assert ran.said.startswith(
        f"overweave: host2: the login shell of ops runs no commands as a POSIX shell does: {said}"
    )
    assert ran.said.endswith("\n  -> `chsh -s /bin/sh ops` on the host, or connect as another user")


def test_json_of_a_hostile_host_is_json(deployed, bin):
    bin("uname", "printf 'a\\033[31m\"\\\\\\377\\n'")
    ran = deployed.fab("status", "--json", "-")
    assert json.loads(ran.out)["kind"] == "status"
    assert ESCAPE not in ran.out


def test_a_hashed_known_hosts_file_is_known(deployed):
    path = deployed.home / ".ssh" / "known_hosts"
    before = path.read_bytes()
    deployed.undo.append(lambda: path.write_bytes(before))
    deployed.machine("ssh-keygen", "-H", "-f", str(path))
    path.with_suffix(".old").unlink(missing_ok=True)
    assert "host1" not in path.read_text()
    assert path.read_text().startswith("|1|")
    wanted = deployed.wanted()
    del wanted["ssh"]["known_hosts"]
    ran = deployed.fab("status", inventory=deployed.write("hashed.yml", wanted))
    assert ran.status == 0, ran
