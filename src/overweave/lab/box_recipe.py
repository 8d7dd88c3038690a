"""What is inside a Vagrant box, as data, for virtual machines with the kernel of their own suite.

eth0 is the interface that Vagrant manages a machine by, and has DHCP. The others Vagrant configures itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from overweave.errors import UsageError

from .recipe import PACKAGES, Recipe

LABEL = "overweave"
"""Of the root file system."""

KEY = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+ni"
    "NltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTB"
    "ckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL"
    "+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPK"
    "cF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ=="
)
"""The insecure key, whose private half every Vagrant has, and which it replaces at a machine's first boot:
keys/vagrant.pub of its source."""

MACHINE = (
    *("linux-image-cloud-amd64", "initramfs-tools", "e2fsprogs", "udev", "netbase"),
    # Docker asks for its program where the kernel has AppArmor, and starts no container without.
    "apparmor",
)

BOOT = f"""\
set timeout=0
linux /vmlinuz root=LABEL={LABEL} ro net.ifnames=0 biosdevname=0 console=tty0 console=ttyS0,115200 quiet
initrd /initrd.img
boot
"""

MANAGED = """\
[Match]
Name=eth0

[Network]
DHCP=ipv4

[DHCPv4]
ClientIdentifier=mac
UseDomains=yes
"""

# Routes and rules of the engine are none of networkd's.
FOREIGN = """\
[Network]
ManageForeignRoutes=no
"""

# One interface with a link is enough: the others are configured by Vagrant, over that one.
ONLINE = """\
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60
"""

# Made at the first boot: a box must not give all machines the same. RSA keys take seconds without KVM.
HOST_KEYS = """\
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'f=/etc/ssh/ssh_host_ed25519_key; [ -s $$f ] || ssh-keygen -q -N "" -t ed25519 -f $$f'
ExecStartPre=/usr/sbin/sshd -t
"""

SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
UseDNS no
"""

CUSTOMIZE = f"""\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
useradd --create-home --shell /bin/bash --groups sudo,docker vagrant
install -d -m 700 -o vagrant -g vagrant /home/vagrant/.ssh
echo '{KEY} vagrant' > /home/vagrant/.ssh/authorized_keys
chown vagrant:vagrant /home/vagrant/.ssh/authorized_keys
chmod 600 /home/vagrant/.ssh/authorized_keys
systemctl enable systemd-networkd.service systemd-resolved.service ssh.service docker.service
for service in nftables consul etcd; do
    ! systemctl cat "$service" > /dev/null 2>&1 || systemctl disable "$service"
done
systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
ln -sfn /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
echo {LABEL} > /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' > /etc/hosts
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/machine-id
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/cache/apt/* /var/lib/apt/lists/*
"""

FILES: Mapping[str, tuple[int, str]] = {
    "/boot/grub/grub.cfg": (0o644, BOOT),
    "/etc/fstab": (0o644, f"LABEL={LABEL} / ext4 noatime 0 1\n"),
    "/etc/systemd/network/10-eth0.network": (0o644, MANAGED),
    "/etc/systemd/networkd.conf.d/foreign.conf": (0o644, FOREIGN),
    "/etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf": (0o644, ONLINE),
    "/etc/systemd/system/ssh.service.d/hostkeys.conf": (0o644, HOST_KEYS),
    "/etc/ssh/sshd_config.d/vagrant.conf": (0o644, SSHD),
    "/etc/sudoers.d/vagrant": (0o440, "vagrant ALL=(ALL:ALL) NOPASSWD: ALL\n"),
}

# Programs of the best store that its Docker can use; the resolver became a package of its own with bookworm.
_MORE: Mapping[str, tuple[str, ...]] = {
    "bullseye": ("consul",),
    "bookworm": ("systemd-resolved", "etcd-server", "etcd-client"),
    "trixie": ("systemd-resolved", "docker-cli"),
}

BOXES: Mapping[str, Recipe] = {
    suite: Recipe(suite, (*PACKAGES, *MACHINE, *more), CUSTOMIZE, FILES) for suite, more in _MORE.items()
}
"""What a box can be, by its suite of Debian."""


def box_recipe(suite: str) -> Recipe:
    """Raises `UsageError` for a suite that there is no recipe for."""
    if suite not in BOXES:
        raise UsageError(f"no box is made of the suite '{suite}'", hint=f"there are {', '.join(BOXES)}")
    return BOXES[suite]
