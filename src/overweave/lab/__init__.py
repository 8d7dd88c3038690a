"""Real hosts on one machine: systemd, sshd and Docker in network namespaces, joined by a bridge.

`Lab` boots and removes them, `faults` breaks them in ways that can be undone. Needs root.
"""

from .host import LabHost
from .lab import Lab

__all__ = ["Lab", "LabHost"]
