"""What is inside a host's image, as data: a changed recipe has another key and is built anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overweave.errors import UsageError

SUDO_PASSWORD = "overweave-lab"  # noqa: S105 - of a throw-away host that only this machine can reach
"""What the user ``pwops`` must tell sudo."""

# pigz is not needed, but engines load images faster with it, and hosts with Docker's own packages have it.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "docker.io", "pigz", "busybox-static"),
    *("iproute2", "iptables", "nftables", "iputils-ping", "curl", "ca-certificates"),
    *("procps", "kmod", "tcpdump", "ethtool"),
)

# They bring Python and a tenth of an image. One suite is enough to try them on.
FIREWALLS = ("ufw", "firewalld")

# Nobody logs in at a console here, nothing needs updating, and every unit costs boot time N times over.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service"),
    *(
        "fstrim.timer",
        "logrotate.timer",
        "dpkg-db-backup.timer",
        "man-db.timer",
        "systemd-tmpfiles-clean.timer",
    ),
    *("getty.target", "getty@.service", "console-getty.service", "systemd-ask-password-wall.path"),
    *("systemd-logind.service", "systemd-resolved.service", "systemd-networkd.service"),
    *("systemd-udevd.service", "systemd-hwdb-update.service", "systemd-pstore.service"),
    *("ldconfig.service", "systemd-journal-catalog-update.service", "systemd-sysusers.service"),
    *("systemd-update-done.service", "systemd-update-utmp.service", "remote-fs.target"),
    *("dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("systemd-modules-load.service", "modprobe@.service"),
)

# systemd runs each of them whenever it reads its units, and here none finds anything.
GENERATORS = (
    *("bless-boot", "cryptsetup", "debug", "fstab", "getty", "gpt-auto", "hibernate-resume", "rc-local"),
    *("run", "system-update", "sysv", "veritysetup"),
)

CGROUPS_UNIT = """\
[Unit]
Description=Make version 1 control groups writable, which containers need
DefaultDependencies=no
After=local-fs.target
Before=docker.service containerd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab-cgroups

[Install]
WantedBy=multi-user.target
"""

CGROUPS_SCRIPT = """\
#!/bin/sh
# With version 2 alone there is one file system, and it is writable already.
for controller in /sys/fs/cgroup/*/; do
    mountpoint -q "$controller" || continue
    mount -o remount,bind,rw "$controller" || exit 1
done
"""

SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/lab_authorized_keys
PasswordAuthentication no
PrintMotd no
"""

# Until a test starts them, a host has Docker's rules and no others. etcd is there to run in a container.
CUSTOMIZE = f"""\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for user in ops nosudo pwops; do
    useradd --create-home --shell /bin/bash "$user"
done
echo 'pwops:{SUDO_PASSWORD}' | chpasswd
usermod --append --groups sudo pwops
rm -f /etc/ssh/ssh_host_* /etc/resolv.conf /etc/hostname
: > /etc/resolv.conf
: > /etc/default/locale
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
systemctl set-default multi-user.target
systemctl enable docker.service containerd.service ssh.service
for service in nftables ufw firewalld etcd; do
    ! systemctl cat "$service" > /dev/null 2>&1 || systemctl disable "$service"
done
systemctl mask {" ".join(MASKED)}
mkdir -p /etc/systemd/system-generators
for name in {" ".join(GENERATORS)}; do
    ln -s /dev/null "/etc/systemd/system-generators/systemd-$name-generator"
done
rm -f /etc/update-motd.d/*
ln -s ../lab-cgroups.service /etc/systemd/system/multi-user.target.wants/lab-cgroups.service
"""


@dataclass(frozen=True)
class Recipe:
    """``suite`` is of Debian, and so are ``packages``; ``customize`` is a shell script that is run in the
    image, and ``files`` maps a path in the image to (mode, text). ``unified``: its systemd knows version 2
    of control groups alone."""

    suite: str
    packages: tuple[str, ...]
    customize: str
    files: Mapping[str, tuple[int, str]]
    unified: bool = False


_FILES: Mapping[str, tuple[int, str]] = {
    "/etc/systemd/system/lab-cgroups.service": (0o644, CGROUPS_UNIT),
    "/usr/local/lib/lab-cgroups": (0o755, CGROUPS_SCRIPT),
    "/etc/ssh/sshd_config.d/lab.conf": (0o644, SSHD),
    "/etc/sudoers.d/ops": (0o440, "ops ALL=(ALL:ALL) NOPASSWD: ALL\n"),
    "/etc/systemd/journald.conf.d/lab.conf": (0o644, "[Journal]\nSystemMaxUse=32M\n"),
}

RECIPES: Mapping[str, Recipe] = {
    # The client's package has the server's program too, and no service that would start.
    "20.10-consul": Recipe("bullseye", (*PACKAGES, *FIREWALLS, "consul", "redis-tools"), CUSTOMIZE, _FILES),
    "20.10-etcd": Recipe("bookworm", (*PACKAGES, "etcd-server", "etcd-client"), CUSTOMIZE, _FILES),
    "26": Recipe("trixie", (*PACKAGES, "docker-cli"), CUSTOMIZE, _FILES, unified=True),
}
"""What a lab's hosts can be, by their engine: its version, and the best store that it can use."""

DEFAULT = "20.10-consul"


def store(engines: Sequence[str]) -> str:
    """The kind of store that hosts with these engines can have in common, Consul before etcd, as far as
    there is one: with others the inventory has that of some."""
    return "etcd" if "20.10-etcd" in engines and "26" not in engines else "consul"


def recipe(engine: str) -> Recipe:
    """Raises `UsageError` for an engine that there is no recipe for."""
    if engine not in RECIPES:
        raise UsageError(
            f"no lab host can have the engine '{engine}'",
            hint=f"there are {', '.join(RECIPES)}; several with commas",
        )
    return RECIPES[engine]
