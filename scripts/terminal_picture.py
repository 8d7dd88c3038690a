"""Runs a command on a terminal and draws what it says: `python scripts/terminal_picture.py FILE COMMAND`.

docs/deploy.svg is that of `fab deploy-overlay -H host1,host2,host3` on a lab that has just been made.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 100, 40
HEAD, TAIL = 12, 26
"""Lines that are drawn of a long output, from its begin and its end; how many are left out is said."""
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""They would be fetched from another site."""


def said(command: list[str]) -> str:
    """What a command says on a terminal, colours and all. It ends the program if the command fails."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    environment["TERM"] = "xterm-256color"
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the last who had the terminal has closed it.
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    text = b"".join(parts).decode()
    if process.wait():
        sys.exit(f"{shlex.join(command)}: exit code {process.returncode}\n{text}")
    return text


def shortened(text: Text) -> Text:
    lines = text.split("\n")
    left_out = len(lines) - HEAD - TAIL
    if left_out <= 1:
        return text
    note = Text(f"      … {left_out} lines …", style="dim italic")
    return Text("\n").join([*lines[:HEAD], note, *lines[-TAIL:]])


def picture(title: str, text: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), legacy_windows=False)
    console.print(Text(f"$ {title}", style="bold"))
    console.print(shortened(Text.from_ansi(text.replace("\r\n", "\n").rstrip("\n"))))
    return FONTS.sub("", console.export_svg(title=title, unique_id="terminal"))


if __name__ == "__main__":
    file, *command = sys.argv[1:]
    Path(file).write_text(picture(shlex.join(command), said(command)), encoding="utf-8")
