"""Commands of this environment without the start of an interpreter, which costs more than most of them do.

A server has imported all that a command needs, and forks for each: a process of its own, with arguments,
folder, environment and streams of its own, that runs the console script as the interpreter would.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from functools import cache

MESSAGE = 1 << 16
"""Bytes of the longest request: arguments, folder and environment."""


class Preloaded(subprocess.Popen):
    """A process as `subprocess.Popen` has it: arguments, ``cwd``, ``env`` and all three streams are needed,
    and nothing else of its options is known. It is no child of ours, and its end is told by its parent."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more):
        _, _, _, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *_ = more
        self._ended, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"words": args, "cwd": str(cwd), "environment": dict(env)}).encode()
        with told:
            socket.send_fds(_server(), [request], [p2cread, c2pwrite, errwrite, told.fileno()])
        self.pid = int(self._ended.recv(MESSAGE))
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def _try_wait(self, wait_flags):
        self._ended.setblocking(not wait_flags & os.WNOHANG)
        try:
            status = int(self._ended.recv(MESSAGE))
        except BlockingIOError:
            return 0, 0
        self._ended.close()
        return self.pid, status

    def _internal_poll(self, _deadstate=None, **_):
        if self.returncode is None and self._child_created:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self._handle_exitstatus(status)
        return self.returncode


@cache
def _server():
    """Where requests go. The server ends with this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    variables = {key: os.environ[key] for key in ("PATH", "LANG", "TERM") if key in os.environ}
    with its:
        server = subprocess.Popen(
            (sys.executable, __file__, str(its.fileno())),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(its.fileno(),),
            env=variables,
        )

    def end():
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def serve(requests):
    """Fork for each request. Returns what the forked process has to run, and never in the server itself."""
    # Ctrl-C is for the commands.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        request, fds, _, _ = socket.recv_fds(requests, MESSAGE, 4)
        if not request:
            sys.exit()
        if not os.fork():
            requests.close()
            *streams, told = fds
            with socket.socket(fileno=told) as told:
                return _watched(json.loads(request), streams, told)
        for fd in fds:
            os.close(fd)


def _watched(request, streams, told):
    """In a process that waits for the command and tells its end; returns in the command's own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        for fd in streams:
            os.close(fd)
        os.closerange(0, 3)
        told.send(str(pid).encode())
        told.send(str(os.waitpid(pid, 0)[1]).encode())
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request["words"]


if __name__ == "__main__":
    import fabric.main  # noqa: F401 - what takes the time

    import overweave.cli.collection  # noqa: F401

    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
