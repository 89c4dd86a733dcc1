"""A program on a screen: a tmux server of its own, keys that go in, lines that can be read.

The screen is so wide and high that nothing wraps and nothing scrolls away in the course of a run.
"""

import itertools
import os
import re
import signal
import subprocess
import time

from .lab import Failed, Lab, is_alive

WIDTH, HEIGHT = 2000, 400


class Terminal:
    def __init__(self, lab: Lab, name: str, argv: list[str], env: dict[str, str]) -> None:
        self.name = name
        # A server that is on its way out still has its socket.
        self._server = f"{name}-{next(NUMBERS)}"
        self._env = os.environ | {"TMUX_TMPDIR": str(lab.folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"} | env
        self._env.pop("TMUX", None)
        # What a program said before it died stays readable.
        self._tmux("start-server", ";", "set", "-g", "remain-on-exit", "on", ";",
                   "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "--", *argv)  # fmt: skip
        pids = self._tmux("display-message", "-p", "#{pane_pid} #{pid}").split()
        self._program, *_ = self._pids = [int(pid) for pid in pids]
        lab.at_end(self.close)

    def _tmux(self, *words: str) -> str:
        argv = ["tmux", "-u", "-L", self._server, "-f", "/dev/null", *words]
        done = subprocess.run(argv, env=self._env, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"the terminal of {self.name}: {done.stderr.strip()}")
        return done.stdout

    def type(self, line: str) -> None:
        """Types a line, and Enter."""
        literally = re.sub(";$", r"\;", line)  # else it would end tmux's own command
        self._tmux("send-keys", "-l", "--", literally, ";", "send-keys", "Enter")

    def screen(self) -> list[str]:
        """What can be seen, without empty lines."""
        return [line.rstrip() for line in self._tmux("capture-pane", "-p").splitlines() if line.strip()]

    def said(self) -> list[str]:
        """The lines that begin with a time of day, without it: what a chat program shows in its window."""
        return [match[1] for line in self.screen() if (match := CLOCK.fullmatch(line))]

    def kill(self) -> None:
        """Ends the program, which cannot say goodbye."""
        os.kill(self._program, signal.SIGKILL)

    def close(self) -> None:
        """Ends the server, and with it the program."""
        try:
            self._tmux("kill-server")
        except Failed:
            return  # It has gone already.
        deadline = time.monotonic() + 5
        while alive := [pid for pid in self._pids if is_alive(pid)]:
            if time.monotonic() > deadline:
                for pid in alive:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.03)


NUMBERS = itertools.count(1)
CLOCK = re.compile(r"\s*\d\d:\d\d(?::\d\d)? (.*)")
