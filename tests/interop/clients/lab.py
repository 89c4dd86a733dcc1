"""A lab: a folder for the time of a run, the processes that were started in it, and waiting with a limit.

Whatever it started is ended by its process id when the lab closes, and the folder goes.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable


# Seconds. Nothing takes more than a few; a machine that is busy with something else may need them.
PATIENCE = 60.0


class Failed(Exception):
    """What should have been there was not, within its time."""


class Lab:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="otr-interop-"))
        self._processes: list[tuple[str, subprocess.Popen]] = []
        self._at_end: list[Callable[[], None]] = []
        self._meanwhile: list[Callable[[], None]] = []

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_) -> None:
        while self._at_end:
            self._at_end.pop()()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name: str, argv: list[str], **options) -> subprocess.Popen:
        """A process that has to live as long as the lab; what it says goes to the file NAME.log."""
        log = open(self.folder / f"{name}.log", "ab")
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options
        process = subprocess.Popen(argv, start_new_session=True, **options)
        log.close()
        self._processes.append((name, process))
        self.at_end(lambda: self.stop(process))
        return process

    def stop(self, process: subprocess.Popen, how: int = signal.SIGTERM) -> None:
        """Ends a process that `start` gave."""
        self._processes = [entry for entry in self._processes if entry[1] is not process]
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def at_end(self, work: Callable[[], None]) -> None:
        """Is done when the lab closes, what came last first."""
        self._at_end.append(work)

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Is done again and again while something is waited for."""
        self._meanwhile.append(work)

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> object:
        """Waits for a condition; what it gave. The network goes on meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            for work in self._meanwhile:
                work()
            if result := condition():
                return result
            for name, process in self._processes:
                if process.poll() is not None:
                    raise Failed(f"{name} ended with {process.returncode}: {self.last_words(name)}")
            if time.monotonic() > deadline:
                raise Failed(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.03)

    def last_words(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:])

    def until_listening(self, port: int) -> None:
        def listening() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        self.until(listening, f"somebody listens on port {port}")


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_alive(pid: int) -> bool:
    """Whether it runs; a process that has ended and that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
