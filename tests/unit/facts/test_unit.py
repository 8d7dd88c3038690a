"""docker.service as systemd reads it, from what real hosts and packages have in their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.facts import unit
from overweave.facts.absent import Absent
from overweave.facts.unit import DROP_IN, QUERIES, effective, exec_starts, parse

from .answers import answers

CAPTURED = (Path(__file__).parent / "captured" / "debian11-with-drop-in.cat").read_text()
DEBIAN = "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS"
DOCKER_CE = """\
# /lib/systemd/system/docker.service
[Unit]
Description=Docker Application Container Engine
After=network-online.target docker.socket firewalld.service containerd.service time-set.target

[Service]
Type=notify
# the default is not to use systemd for cgroups because the delegate issues still
# exists and systemd currently does not support the cgroup feature set required
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
ExecReload=/bin/kill -s HUP $MAINPID
Restart=always

[Install]
WantedBy=multi-user.target
"""
CE = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
SHOWN = "MainPID=921\nExecMainStartTimestampMonotonic=2206673423\nLoadState=loaded\nActiveState=active\n"


def drop_in(path, text):
    return f"\n# {path}\n{text}"


def told(cat, **more):
    defaults = {"LoadState": SHOWN, "systemctl cat": cat}
    return parse(answers(QUERIES, defaults | more))


def test_the_captured_unit_of_debian_11_with_our_drop_in():
    own = CAPTURED.partition(f"# {DROP_IN}\n")[2]
    found = told(
        CAPTURED,
        **{
            f'cat "$1"\' sh {DROP_IN}': own,
            "cmdline": "/usr/sbin/dockerd\0-H\0fd://\0--cluster-store=consul://10.96.0.11:8500\0",
            "/etc/default/docker": "DOCKER_OPTS='--debug'\n",
        },
    )
    assert (found.exec_start, found.drop_in, found.overridden_by) == (DEBIAN, own, "")
    assert (found.active, found.main_pid, found.started) == (True, 921, 2206673423)
    assert found.arguments == ("/usr/sbin/dockerd", "-H", "fd://", "--cluster-store=consul://10.96.0.11:8500")
    assert found.environment == "DOCKER_OPTS='--debug'\n"


def test_an_engine_that_is_down_has_no_arguments():
    found = told(DOCKER_CE, LoadState="LoadState=loaded\nActiveState=failed\nMainPID=0\n")
    assert (found.active, found.main_pid, found.started, found.arguments) == (False, 0, 0, ())


def test_a_drop_in_that_is_gone_and_that_systemd_still_knows_hides_nothing():
    """As a run leaves it that was broken off before systemd has read its units anew."""
    found = told((1, DOCKER_CE))
    assert (found.exec_start, found.main_pid) == (CE, 921)


@pytest.mark.parametrize(
    ("shown", "files"),
    [
        ("LoadState=not-found\nActiveState=inactive\n", (1, "")),
        ("LoadState=masked\nActiveState=inactive\n", "# /etc/systemd/system/docker.service\n"),
        (SHOWN, (1, "No files found for docker.service.")),
        ("", ""),
    ],
)
def test_a_unit_that_systemd_does_not_have_is_absent(shown, files):
    assert told(files, LoadState=shown) == Absent("systemd has no unit docker.service")


OURS = drop_in(DROP_IN, "[Service]\nExecStart=\nExecStart=/ours --cluster-store=x\n")


@pytest.mark.parametrize(
    ("cat", "exec_start", "overridden_by"),
    [
        pytest.param(DOCKER_CE, CE, "", id="docker-ce"),
        pytest.param(CAPTURED.partition("\n# /etc")[0], DEBIAN, "", id="Debian 11"),
        pytest.param(DOCKER_CE + OURS, CE, "", id="ours is not counted"),
        pytest.param(
            DOCKER_CE
            + drop_in(
                "/etc/systemd/system/docker.service.d/10-proxy.conf",
                "[Service]\nEnvironment=HTTP_PROXY=http://p:3128\n",
            ),
            CE,
            "",
            id="a drop-in about something else",
        ),
        pytest.param(
            DOCKER_CE
            + drop_in(
                "/etc/systemd/system/docker.service.d/override.conf",
                "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --tlsverify\n",
            ).replace("override.conf", "10-tls.conf"),
            "/usr/bin/dockerd --tlsverify",
            "",
            id="a drop-in that resets ExecStart",
        ),
        pytest.param(
            DOCKER_CE + drop_in("/run/systemd/system/docker.service.d/10-x.conf", "[Service]\nExecStart=\n"),
            "",
            "",
            id="only reset",
        ),
        pytest.param(
            DOCKER_CE
            + OURS
            + drop_in(
                "/etc/systemd/system/docker.service.d/99-local.conf",
                "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --debug\n",
            ),
            "/usr/bin/dockerd --debug",
            "/etc/systemd/system/docker.service.d/99-local.conf",
            id="one that sorts after ours",
        ),
        pytest.param(
            DOCKER_CE
            + drop_in(
                "/etc/systemd/system/docker.service.d/99-local.conf",
                "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --debug\n",
            ),
            "/usr/bin/dockerd --debug",
            "/etc/systemd/system/docker.service.d/99-local.conf",
            id="one that will sort after ours before ours is there",
        ),
        pytest.param(
            DOCKER_CE.replace("-H fd:// ", "\\\n    -H fd:// \\\n\t"),
            CE,
            "",
            id="continued lines",
        ),
        pytest.param(
            DOCKER_CE.replace("-H fd:// ", "\\\n# on the socket\n; of systemd\n    -H fd:// \\\n    "),
            CE,
            "",
            id="comments between continued lines",
        ),
        pytest.param(
            DOCKER_CE.replace("ExecStart=", "# /etc/docker/daemon.json has the rest\nExecStart="),
            CE,
            "",
            id="a comment that begins with a path",
        ),
        pytest.param(
            DOCKER_CE.replace("ExecStart=/usr", "#ExecStart=/wrong\n  ;ExecStart=/wrong\n  ExecStart = /usr"),
            CE,
            "",
            id="comments and spaces around the sign",
        ),
        pytest.param(
            DOCKER_CE + drop_in("/etc/x.d/1.conf", "[X-Other]\nExecStart=/wrong\nExecStartPre=/wrong\n"),
            CE,
            "",
            id="other sections and other keys",
        ),
        pytest.param(
            DOCKER_CE.replace(CE, "/usr/bin/dockerd --label 'a b=\"c\"' $OPTS"),
            "/usr/bin/dockerd --label 'a b=\"c\"' $OPTS",
            "",
            id="quotes stay as they are",
        ),
    ],
)
def test_the_effective_line_without_ours_and_who_would_win_over_ours(cat, exec_start, overridden_by):
    found = told(cat)
    assert (found.exec_start, found.overridden_by) == (exec_start, overridden_by)


def test_every_setting_comes_with_the_file_it_stands_in():
    assert exec_starts(DOCKER_CE + OURS) == [
        ("/lib/systemd/system/docker.service", CE),
        (DROP_IN, ""),
        (DROP_IN, "/ours --cluster-store=x"),
    ]


@pytest.mark.parametrize(
    ("values", "line"), [([], ""), (["a"], "a"), (["a", ""], ""), (["a", "", "b"], "b"), (["", "a"], "a")]
)
def test_an_empty_assignment_forgets_those_before_it(values, line):
    assert effective(values) == line


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("net:[1]\nnet:[1]\nnet:[1]\n\n", 0),
        ("net:[1]\nnet:[1]\nnet:[2]\nnet:[3]\n\nnet:[3]\nnet:[4]\n", 1),
        ("net:[1]\nnet:[2]\nnet:[2]\n\n", 2),
    ],
)
def test_threads_in_a_namespace_that_is_gone_are_counted(text, count):
    assert unit.stray_threads(text) == count


LINES = st.sampled_from(
    [
        "# /a", "# b", "[Service]", "[Unit]", "ExecStart=", "ExecStart=/x \\", "\\", "", " y", ";", "=",
        "MainPID=x",
        "MainPID=3", "LoadState=loaded", "ExecMainStartTimestampMonotonic=" + "9" * 5000,
    ]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(LINES | st.text(max_size=9), max_size=9))))
def test_no_answer_breaks_the_parser_other_than_as_the_caller_expects(said):
    texts = [(status, "\n".join(lines)) for status, lines in said]
    results = [
        type(r)(r.command, *(texts[i % len(texts)] if texts else (0, "")), "")
        for i, r in enumerate(answers(QUERIES, {}))
    ]
    try:
        parse(results)
    except (ValueError, KeyError, TypeError, AttributeError):
        return
