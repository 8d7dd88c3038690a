"""A slow and lossy cable in user space, for kernels without netem. A program of its own:

    slowlink.py CABLE PLUG LOSS_PERCENT DELAY_MS

It carries Ethernet frames between the interface CABLE and a new interface PLUG, and holds back or loses
those that come from CABLE. It ends when either interface goes away; PLUG goes away with it.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from time import monotonic

ETH_P_ALL = 3
PACKET_OUTGOING = 4
TUNSETIFF = 0x400454CA
IFF_TAP_NO_HEADER = 0x0002 | 0x1000
FRAME = 65536


def main(cable_name: str, plug_name: str, loss_percent: float, delay_ms: float) -> None:
    """Carry frames until an interface goes away; raises `OSError` then."""
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    cable.bind((cable_name, ETH_P_ALL))
    cable.setblocking(False)
    plug = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(plug, TUNSETIFF, struct.pack("16sH22x", plug_name.encode(), IFF_TAP_NO_HEADER))
    held: deque[tuple[float, bytes]] = deque()
    while True:
        wait = max(held[0][0] - monotonic(), 0) if held else None
        readable, _, _ = select.select([cable.fileno(), plug], [], [], wait)
        if cable.fileno() in readable:
            frame, origin = cable.recvfrom(FRAME)
            lost = random.random() * 100 < loss_percent  # noqa: S311 - dice, not secrets
            if origin[2] != PACKET_OUTGOING and not lost:
                held.append((monotonic() + delay_ms / 1000, frame))
        # A frame that can't be sent is lost, as on any cable.
        if plug in readable:
            frame = os.read(plug, FRAME)
            with suppress(OSError):
                cable.send(frame)
        while held and held[0][0] <= monotonic():
            with suppress(OSError):
                os.write(plug, held.popleft()[1])


if __name__ == "__main__":
    with suppress(OSError):
        main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
