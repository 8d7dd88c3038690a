"""The scripts that mend an overlay's namespace, run for real; ip, bridge and nsenter are stubs."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeHost

from overweave.apply.overlay_rows import FOLDER, mend_rows, remove_vxlan
from overweave.errors import CommandFailed
from overweave.model import Access, Host
from overweave.steps import MendRows, RemoveVxlan, Row

NSENTER = """\
#!/bin/sh
[ ! -e "$ROOT/no-nsenter" ] || exit 1
shift
exec "$@"
"""
BRIDGE = """\
#!/bin/sh
echo "bridge $*" >> "$ROOT/calls"
"""
IP = """\
#!/bin/sh
case "$*" in
"-o link show type veth") cat "$ROOT/veth" ;;
"-o link show type vxlan") cat "$ROOT/detail" ;;
"-o -d link show dev "*) [ -s "$ROOT/detail" ] && cat "$ROOT/detail" ;;
"-o addr show dev "*" scope global") cat "$ROOT/addresses" ;;
*) echo "ip $*" >> "$ROOT/calls" ;;
esac
"""
LEFT = "7: vx-000100-aaaaa: <BROADCAST> state DOWN \\    link/ether 02:00 \\    vxlan id 256 dstport 4789 "
REMOVED = ["ip link del dev vx-000100-aaaaa"]


class Kernel(FakeHost):
    def __init__(self, root):
        super().__init__(Host("a", Access("10.0.0.1")), root)
        for name, text in (("nsenter", NSENTER), ("bridge", BRIDGE), ("ip", IP)):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        self.folder = self.path(FOLDER)
        self.folder.mkdir(parents=True)
        self.says(veth="", detail=LEFT, addresses="")

    def says(self, **answers):
        for name, text in answers.items():
            (self.root / name).write_text(text)

    def calls(self):
        file = self.root / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path / "a")


def mend(**rows):
    return MendRows("a", "why", "n", "1-aaaaaaaaaa", "vxlan0", **rows)


def test_rows_are_written_and_dropped(kernel):
    (kernel.folder / "1-aaaaaaaaaa").touch()
    step = mend(
        write=(Row("10.9.0.2", "02:02", "10.0.0.2"),),
        drop_neighbours=("10.9.0.3",),
        drop_forwarding=(("02:03", "10.0.0.3"),),
    )
    mend_rows(step, kernel)
    assert kernel.calls() == [
        "bridge fdb replace 02:02 dev vxlan0 dst 10.0.0.2 self permanent",
        "ip neigh replace 10.9.0.2 lladdr 02:02 dev vxlan0 nud permanent",
        "ip neigh del 10.9.0.3 dev vxlan0",
        "bridge fdb del 02:03 dev vxlan0 dst 10.0.0.3 self",
    ]


def test_rows_are_input_and_not_words_of_which_linux_takes_only_so_many(kernel):
    (kernel.folder / "1-aaaaaaaaaa").touch()
    mend_rows(mend(drop_neighbours=tuple(f"10.211.100.{n:0100}" for n in range(1500))), kernel)
    assert len(kernel.calls()) == 1500


def test_a_namespace_that_went_has_no_rows_to_mend(kernel):
    mend_rows(mend(write=(Row("10.9.0.2", "02:02", "10.0.0.2"),)), kernel)
    assert kernel.calls() == []


def left(path="", with_namespace=False):
    return RemoveVxlan("a", "why", path, "vx-000100-aaaaa", 256, with_namespace)


def test_a_device_that_was_left_goes(kernel):
    remove_vxlan(left(), kernel)
    assert kernel.calls() == REMOVED


@pytest.mark.parametrize("detail", ["", LEFT.replace("id 256", "id 2567")])
def test_a_device_that_is_gone_or_another_now_is_let_be(kernel, detail):
    kernel.says(detail=detail)
    remove_vxlan(left(), kernel)
    assert kernel.calls() == []


@pytest.mark.parametrize(
    "answers",
    [
        {"detail": LEFT.replace("state DOWN", "master br7 state DOWN")},
        {"addresses": "7: vx-000100-aaaaa    inet 10.9.9.9/24 scope global vx-000100-aaaaa"},
        {"addresses": "7: vx-000100-aaaaa    inet6 fd00::9/64 scope global"},
    ],
)
def test_a_device_that_somebody_uses_by_now_stays(kernel, answers):
    kernel.says(**answers)
    with pytest.raises(CommandFailed) as caught:
        remove_vxlan(left(), kernel)
    assert caught.value.output.strip() == "it has an address or a bridge now, so it is somebody's"
    assert kernel.calls() == []


def test_a_namespace_of_docker_goes_with_its_device_which_has_a_bridge_there(kernel):
    (kernel.folder / "1-a").touch()
    kernel.says(detail=LEFT.replace("state DOWN", "master br0 state DOWN"))
    remove_vxlan(left(f"{FOLDER}/1-a", with_namespace=True), kernel)
    assert kernel.calls() == REMOVED
    assert list(kernel.folder.iterdir()) == []


@pytest.mark.parametrize("why", ["container", "no-nsenter", "no-veth"])
def test_a_namespace_that_has_a_container_or_can_not_be_looked_at_stays(kernel, why):
    (kernel.folder / "1-a").touch()
    if why == "container":
        kernel.says(veth="8: veth0@if7: <UP>\n")
    elif why == "no-nsenter":
        kernel.says(**{"no-nsenter": ""})
    else:
        (kernel.root / "veth").unlink()
    with pytest.raises(CommandFailed):
        remove_vxlan(left(f"{FOLDER}/1-a", with_namespace=True), kernel)
    assert kernel.calls() == []
    assert [p.name for p in kernel.folder.iterdir()] == ["1-a"]
