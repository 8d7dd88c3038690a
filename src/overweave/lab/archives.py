"""Container images for hosts without a registry, as archives that ``docker load`` takes.

They are made of the programs in a host's own root file system, and equal bytes come out of equal input.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from .shell import must

COMPRESSION = 6

CONSUL_ENTRYPOINT = """\
#!/bin/sh
# The documented variables of the official image, so that one deployment drives both.
set -e

address_of() {
    address=$(ip -o -4 addr show dev "$1" 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }')
    if [ -z "$address" ]; then
        echo "Could not find IP for interface '$1', exiting" >&2
        exit 1
    fi
    echo "$address"
}

data=${CONSUL_DATA_DIR:-/consul/data}
config=${CONSUL_CONFIG_DIR:-/consul/config}
bind=
client=
if [ -n "$CONSUL_BIND_INTERFACE" ]; then
    bind=-bind=$(address_of "$CONSUL_BIND_INTERFACE")
fi
if [ -n "$CONSUL_CLIENT_INTERFACE" ]; then
    client=-client=$(address_of "$CONSUL_CLIENT_INTERFACE")
fi
if [ -n "$CONSUL_LOCAL_CONFIG" ]; then
    echo "$CONSUL_LOCAL_CONFIG" > "$config/local.json"
fi

case $1 in
-*)
    set -- consul "$@"
    ;;
agent)
    shift
    set -- consul agent -data-dir="$data" -config-dir="$config" $bind $client "$@"
    ;;
version)
    set -- consul "$@"
    ;;
*)
    if consul --help "$1" 2>&1 | grep -q "consul $1"; then
        set -- consul "$@"
    fi
    ;;
esac
exec "$@"
"""

_FOLDERS = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
}
_ACCOUNTS = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": b"hosts: files dns\n",
}


_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What image configurations call the machines that Python calls otherwise."""


class Layer:
    """A file tree that becomes one image layer; everything in it belongs to root and has no date."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}

    def folder(self, name: str, mode: int = 0o755) -> None:
        self._add(name, tarfile.DIRTYPE, mode)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        self._add(name, tarfile.REGTYPE, mode, content=content)

    def link(self, name: str, target: str) -> None:
        self._add(name, tarfile.SYMTYPE, 0o777, target=target)

    def _add(self, name: str, kind: bytes, mode: int, *, content: bytes = b"", target: str = "") -> None:
        parent = name.rpartition("/")[0]
        if parent and parent not in self._entries:
            self.folder(parent)
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(content), target
        self._entries[name] = (info, content)

    def tar(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for _, (info, content) in sorted(self._entries.items()):
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()


def make(rootfs: Path, folder: Path) -> dict[str, str]:
    """Write all archives that ``rootfs`` has the programs for into ``folder``; image name to file name."""
    made = {_name(rootfs, "busybox-static", "busybox"): "busybox.tar"}
    (folder / "busybox.tar").write_bytes(archive(next(iter(made)), busybox(rootfs), {"Cmd": ["sh"]}))
    if (rootfs / "usr/bin/consul").exists():
        name = _name(rootfs, "consul", "consul")
        made[name] = "consul.tar"
        (folder / "consul.tar").write_bytes(archive(name, consul(rootfs), CONSUL_CONFIG))
    if (rootfs / "usr/bin/etcd").exists():
        name = _name(rootfs, "etcd-server", "etcd")
        made[name] = "etcd.tar"
        (folder / "etcd.tar").write_bytes(archive(name, etcd(rootfs), ETCD_CONFIG))
    if (rootfs / "usr/bin/redis-cli").exists():
        name = _name(rootfs, "redis-tools", "redis")
        made[name] = "redis.tar"
        (folder / "redis.tar").write_bytes(archive(name, redis(rootfs), REDIS_CONFIG))
    return made


CONSUL_CONFIG: Mapping[str, object] = {
    "Entrypoint": ["docker-entrypoint.sh"],
    "Cmd": ["agent", "-dev", "-client", "0.0.0.0"],  # noqa: S104 - as the official image has it
    "Volumes": {"/consul/data": {}},
    "ExposedPorts": {
        port: {}
        for port in (
            "8300/tcp",
            "8301/tcp",
            "8301/udp",
            "8302/tcp",
            "8302/udp",
            "8500/tcp",
            "8600/tcp",
            "8600/udp",
        )
    },
}


ETCD_CONFIG: Mapping[str, object] = {
    "Cmd": ["/usr/local/bin/etcd"],
    "ExposedPorts": {"2379/tcp": {}, "2380/tcp": {}},
}


REDIS_CONFIG: Mapping[str, object] = {
    "Cmd": ["redis-server", "--dir", "/data", "--protected-mode", "no"],
    "Volumes": {"/data": {}},
    "ExposedPorts": {"6379/tcp": {}},
}


def busybox(rootfs: Path) -> Layer:
    """Debian's static busybox with a link for each of its applets."""
    layer = Layer()
    for name, mode in _FOLDERS.items():
        layer.folder(name, mode)
    for name, content in _ACCOUNTS.items():
        layer.file(name, content)
    layer.file("bin/busybox", (rootfs / "bin/busybox").read_bytes(), 0o755)
    for applet in must("chroot", str(rootfs), "/bin/busybox", "--list").split():
        if applet != "busybox":
            layer.link(f"bin/{applet}", "busybox")
    # Even a static program of glibc loads these to resolve a name.
    for plugin in ("libnss_files.so.2", "libnss_dns.so.2"):
        path = next(rootfs.glob(f"lib/*/{plugin}"))
        _add_with_libraries(layer, rootfs, f"/{path.relative_to(rootfs)}")
    return layer


def consul(rootfs: Path) -> Layer:
    """Debian's Consul and what it is linked to, on top of busybox."""
    layer = busybox(rootfs)
    _add_with_libraries(layer, rootfs, "/usr/bin/consul")
    layer.file("usr/local/bin/docker-entrypoint.sh", CONSUL_ENTRYPOINT.encode(), 0o755)
    for name in ("consul", "consul/config", "consul/data"):
        layer.folder(name)
    return layer


def etcd(rootfs: Path) -> Layer:
    """Debian's etcd and its client where the official image has them, on top of busybox."""
    layer = busybox(rootfs)
    for name in ("etcd", "etcdctl"):
        _add_with_libraries(layer, rootfs, f"/usr/bin/{name}")
        layer.link(f"usr/local/bin/{name}", f"/usr/bin/{name}")
    return layer


def redis(rootfs: Path) -> Layer:
    """Debian's Redis, and its perl-base as in the official image, on top of busybox."""
    layer = busybox(rootfs)
    # The server is the same program under another name, and Debian has it in the package of the client.
    for program in ("/usr/bin/redis-check-rdb", "/usr/bin/redis-cli", "/usr/bin/perl"):
        _add_with_libraries(layer, rootfs, program)
    layer.link("usr/bin/redis-server", "redis-check-rdb")
    for path in sorted(next(rootfs.glob("usr/lib/*/perl-base")).rglob("*")):
        if path.is_file() and not path.is_symlink():
            layer.file(str(path.relative_to(rootfs)), path.read_bytes())
    layer.folder("data")
    return layer


def archive(name: str, layer: Layer, config: Mapping[str, object]) -> bytes:
    """One image of one layer in the format of ``docker save``; ``config`` as in its configuration file."""
    content = layer.tar()
    digest = hashlib.sha256(content).hexdigest()
    environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    description = {
        "architecture": _GO_NAMES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": environment, **config},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    }
    about = json.dumps(description, sort_keys=True).encode()
    about_name = f"{hashlib.sha256(about).hexdigest()}.json"
    manifest = [{"Config": about_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    outer = Layer()
    outer.file("manifest.json", json.dumps(manifest).encode())
    outer.file(about_name, about)
    outer.file(f"{digest}/layer.tar", gzip.compress(content, COMPRESSION, mtime=0))
    return outer.tar()


def _add_with_libraries(layer: Layer, rootfs: Path, program: str) -> None:
    linked = must("chroot", str(rootfs), "ldd", program)
    folder = next(rootfs.glob("lib/*/libc.so.6")).parent.relative_to(rootfs)
    for name in (program, *re.findall(r"(/\S+) \(0x", linked)):
        real = must("chroot", str(rootfs), "readlink", "-f", name).strip()
        content = (rootfs / real.lstrip("/")).read_bytes()
        if name == program or Path(name).parent == Path("/", folder):
            layer.file(name.lstrip("/"), content, 0o755)
        else:
            # The loader: where the kernel looks for it, and where static programs do.
            layer.file(f"{folder}/{Path(name).name}", content, 0o755)
            layer.link(name.lstrip("/"), f"/{folder}/{Path(name).name}")


def _name(rootfs: Path, package: str, repository: str) -> str:
    """Image name made of the upstream part of a Debian package's version."""
    version = must("chroot", str(rootfs), "dpkg-query", "--show", "--showformat=${Version}", package)
    upstream = re.sub(r"^[0-9]+:", "", version).rpartition("-")[0] or version
    return f"{repository}:{re.split(r'[+~]', upstream)[0]}"
