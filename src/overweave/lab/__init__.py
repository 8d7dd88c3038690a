"""Real hosts on one machine: systemd, sshd and Docker in network namespaces, joined by a bridge.

`Lab` boots and removes them, `faults` breaks them in ways that can be undone. Needs root.

    lab.py           a lab as a whole: made, found again, grown, removed
    host.py          one host: disk, boot, power, commands       readiness.py  when it counts as up
    network.py       bridge, cables, namespaces                  cgroups.py    its control groups
    faults.py        what can be broken                          slowlink.py   a slow cable without netem
    recipe.py        what is in a host's image, as data          image.py      built once, cached
    box_recipe.py    what is in a Vagrant box, as data           box.py         built once, kept for all
    archives.py      container images without a registry         describe.py   the lab as an inventory
    requirements.py  what this machine must have                 machine.py    what is changed on it
    spec.py          names and addresses; all else follows       process.py, locking.py, shell.py, waiting.py

Every name that a lab uses on the machine follows from its spec, which is written before anything is made:
so a lab can be taken down whatever became of the command that made it.
"""

from .host import LabHost
from .lab import Lab

__all__ = ["Lab", "LabHost"]
