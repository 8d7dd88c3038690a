"""What lab hosts send each other, read off their cards."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence

from tests.lab.bed import Bed

_PROGRAM = """\
socket my $s, 17, 3, unpack 'n', pack 'S', 3 or die "$!\\n";
setsockopt $s, 1, 33, 1 << 23;  # SO_RCVBUFFORCE
$| = 1; print STDERR "up\\n";
my $both = '';
vec($both, $_, 1) = 1 for 0, fileno $s;
while () {
    select my $ready = $both, undef, undef, undef;
    last if vec $ready, 0, 1;
    my $from = recv $s, my $frame, 65536, 0;
    # Loopback is device 1 of every host.
    print $frame, "\\n" if (unpack 'SnL', $from)[2] != 1;
}
"""


class Captured:
    """All frames, when the capture is over."""

    frames = b""

    def has(self, text: str | bytes) -> bool:
        return (text if isinstance(text, bytes) else text.encode()) in self.frames


@contextlib.contextmanager
def captured(bed: Bed, names: Sequence[str]) -> Iterator[Captured]:
    """What comes in and goes out on all devices of these hosts but loopback while this lasts."""
    seen = Captured()
    with contextlib.ExitStack() as stack, tempfile.TemporaryFile("a+b") as file:
        started = []
        for name in names:
            words = ("nsenter", "-t", str(bed.lab.host(name).pid), "-n", "perl", "-e", _PROGRAM)
            process = stack.enter_context(
                subprocess.Popen(words, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.PIPE)
            )
            assert process.stderr is not None
            assert process.stderr.readline() == b"up\n"
            started.append(process)
        try:
            yield seen
        finally:
            for process in started:
                process.communicate(b"\n")
            file.seek(0)
            seen.frames = file.read()
