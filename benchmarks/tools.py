"""The ways to the same network that are compared, each as a command for a lab's inventory."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from overweave.model import Fleet

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
FAB = str(Path(sys.executable).with_name("fab"))
OVERWEAVE, SCRIPT, ANSIBLE = "overweave", "script", "ansible"
TOOLS = (OVERWEAVE, SCRIPT, ANSIBLE)
ANSIBLE_CORE = "2.19"


@dataclass(frozen=True)
class Command:
    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def fab(task: str, inventory: Path, *options: str) -> Command:
    return Command((FAB, task, "--inventory", str(inventory), *options))


def deploy(tool: str, fleet: Fleet, inventory: Path, *, anchors: bool) -> Command:
    """What makes the network with a tool. ``inventory`` is the lab's file; files go beside it."""
    if tool == OVERWEAVE:
        return fab("deploy-overlay", inventory)
    kept = "yes" if anchors else "no"
    if tool == SCRIPT:
        return Command(bare_ssh(fleet), {"ANCHORS": kept})
    hosts = inventory.with_name("ansible.ini")
    hosts.write_text(ansible_inventory(fleet))
    return Command(
        (
            str(ansible_folder() / "bin/ansible-playbook"),
            f"--inventory={hosts}",
            *(f"--extra-vars={name}={value}" for name, value in _images(fleet).items()),
            f"--extra-vars=anchors={kept}",
            str(HERE / "ansible/deploy.yml"),
        ),
        {
            "ANSIBLE_CONFIG": str(HERE / "ansible/ansible.cfg"),
            "ANSIBLE_HOME": str(inventory.with_name("ansible")),
            # Of this lab alone: the next one has the same addresses and other keys.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(inventory.with_name("cp")),
        },
    )


def _images(fleet: Fleet) -> dict[str, str]:
    named = {"consul": fleet.store.image, "busybox": fleet.images.probe}
    tars = {f"{name}_tar": str(fleet.images.archives[image].path) for name, image in named.items()}
    return {f"{name}_image": image for name, image in named.items()} | tars


def bare_ssh(fleet: Fleet) -> tuple[str, ...]:
    access, images = fleet.store_host.access, _images(fleet)
    order = ("consul_image", "consul_tar", "busybox_image", "busybox_tar")
    return (
        str(HERE / "bare_ssh.sh"),
        str(access.key),
        str(access.known_hosts),
        *(images[name] for name in order),
        *(host.access.address for host in fleet.hosts),
    )


def ansible_inventory(fleet: Fleet) -> str:
    """In Ansible's INI form, with the first host as the store."""
    lines = ["[all]"]
    for host in fleet.hosts:
        access = host.access
        lines.append(
            f"{host.name} ansible_host={access.address} ansible_user={access.user} "
            f"ansible_ssh_private_key_file={access.key} "
            f"ansible_ssh_common_args='-o UserKnownHostsFile={access.known_hosts}'"
        )
    return "\n".join([*lines, "[store]", fleet.store_host.name, ""])


def ansible_folder() -> Path:
    """Where Ansible is, in an environment of its own in the user's cache: it is made at the first call.

    Raises `subprocess.CalledProcessError` where the package index can't be reached.
    """
    folder = Path.home() / f".cache/overweave/ansible-{ANSIBLE_CORE}"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, clear=True, with_pip=True)
        pip = (str(folder / "bin/python"), "-m", "pip", "install", "-qq")
        subprocess.run((*pip, f"ansible-core=={ANSIBLE_CORE}.*"), check=True)
        ready.touch()
    return folder
