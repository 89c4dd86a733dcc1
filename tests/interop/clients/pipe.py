"""Our side: a `client-demo pipe` process, the link that it talks over, and all that it was told and said."""

import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Protocol

from .lab import PATIENCE, Failed, Lab


class Link(Protocol):
    """A network as one account sees it: lines to and from one correspondent."""

    account: str
    contact: str
    limit: int  # the longest line in bytes, 0 where there is none

    def send(self, text: str) -> None: ...

    def receive(self) -> list[str]: ...


class Ours:
    def __init__(self, lab: Lab, program: Path, link: Link, versions: str) -> None:
        self._lab, self._program, self.link, self._versions = lab, program, link, versions
        self._home = lab.folder / f"ours-{versions}"
        self.heard: list[str] = []  # every line that the pipe said, but for wire lines
        self.wire: list[str] = []  # "-> LINE" that went out, "<- LINE" that came in
        self._mark = 0
        self._start()
        lab.meanwhile(self.carry)

    def _start(self) -> None:
        argv = [self._program, "pipe", "--account", self.link.account, "--contact", self.link.contact]
        argv += ["--versions", self._versions, "--mtu", str(self.link.limit), "--home", self._home]
        self._process = self._lab.start("pipe", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._unread = b""
        self.greeting = self._answer()

    def restart(self) -> None:
        """Kills the process and goes on with its folder in a new one."""
        self._lab.stop(self._process, signal.SIGKILL)
        self._start()

    def ask(self, command: str) -> list[str]:
        """Gives a command; its answer. What it has for the network goes there."""
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `_answer` says what became of it.
        return self._answer()

    def carry(self) -> None:
        """Takes what the network has for us."""
        for text in self.link.receive():
            self.wire.append(f"<- {text}")
            self.ask("recv " + escape(text))

    def _answer(self) -> list[str]:
        lines = []
        while (line := self._line()) != "event done":
            lines.append(line)
            if line.startswith("out "):
                text = unescape(line[4:])
                self.wire.append(f"-> {text}")
                self.link.send(text)
            else:
                self.heard.append(line)
        return lines

    def _line(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self._unread:
            stdout = self._process.stdout
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(stdout.fileno(), 65536) if ready else b""
            if not more:
                raise Failed(f"our pipe {'has ended' if ready else 'does not answer'}: {self._lab.last_words('pipe')}")
            self._unread += more
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode()

    def mark(self) -> None:
        """A new step: what was heard so far is not what it waits for."""
        self._mark = len(self.heard)

    def new(self) -> list[str]:
        """What was heard since `mark`."""
        return self.heard[self._mark :]

    def no_trouble(self) -> None:
        for line in self.new():
            if line.startswith(TROUBLE):
                raise Failed(f"our pipe says {line}")

    def hears(self, pattern: str, seconds: float = PATIENCE) -> re.Match:
        """Waits for a line, new since `mark`, that is this whole pattern."""

        def found() -> re.Match | None:
            return next((match for line in self.new() if (match := re.fullmatch(pattern, line))), None)

        return self._lab.until(found, f"our pipe says {pattern}", seconds)


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


# What it says only when something is wrong.
TROUBLE = ("err ", "event rejected", "event warn-unencrypted", "event otr-error")
