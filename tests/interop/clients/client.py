"""A chat program of other people: what its user types, and what the user is shown."""

import re
from dataclasses import dataclass

from .lab import Failed, Lab
from .terminal import Terminal


@dataclass(frozen=True)
class Words:
    """What the program shows, as patterns of a whole line; `{}` is a text."""

    plain_text: str
    secure: str
    own_text: str
    their_text: str
    text_in_fragments: str
    # SMP: the user asks …
    asking: str
    asked_and_equal: str
    asked_and_unequal: str
    # … or is asked.
    question: str
    no_question: str
    answered_and_equal: str
    answered_and_unequal: str
    # The same, without a question: some programs tell it in other words.
    agreed: str
    disagreed: str
    aborted: str
    ended_by_us: str
    ended_by_them: str
    # For a message of a conversation that the program has lost; empty where it drops it without a word.
    unreadable: str
    # What must not be seen while nothing goes wrong.
    trouble: str


class Client:
    """Base of the programs: its lines on the screen. `terminal` and `words` come from them."""

    name: str
    version: int
    can_abort = False
    starts_on_whitespace = False
    writes_whitespace = False
    words: Words
    terminal: Terminal

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._mark = 0

    def mark(self) -> None:
        """A new step: what is on the screen is not what it waits for."""
        self._mark = len(self.terminal.said())

    def shows(self, pattern: str, *texts: str) -> re.Match:
        """Waits for a line, new since `mark`, that is this whole pattern."""
        pattern = pattern.format(*map(re.escape, texts))

        def found() -> re.Match | None:
            return next((match for line in self.new() if (match := re.fullmatch(pattern, line))), None)

        return self.lab.until(found, f"{self.name} shows {pattern}")

    def new(self) -> list[str]:
        """The lines since `mark`."""
        return self.terminal.said()[self._mark :]

    def no_trouble(self) -> None:
        for line in self.new():
            if re.fullmatch(self.words.trouble, line):
                raise Failed(f"{self.name} shows {line}")

    def say(self, text: str) -> None:
        self.terminal.type(text)

    def restart(self) -> None:
        """Is killed, and comes back without the conversation, of which nobody was told."""
        self.terminal.kill()
        self.terminal.close()
        self.start()

    # What each program has its own commands for.

    def start(self) -> None:
        """Comes online and opens the window of its contact."""
        raise NotImplementedError

    def begin(self) -> None:
        raise NotImplementedError

    def fingerprints(self) -> tuple[str, str]:
        """Of its own key and of its contact's, as it shows them: 40 hex digits."""
        raise NotImplementedError

    def ask(self, question: str, secret: str) -> None:
        raise NotImplementedError

    def answer(self, secret: str, question: str) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        """Gives up what was asked; only where `can_abort`."""
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError


def plain(fingerprint: str) -> str:
    """Without the blanks and capitals that are for people."""
    return fingerprint.replace(" ", "").lower()
