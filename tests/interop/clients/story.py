"""A conversation between a chat program of other people and our side, step by step.

Every step is seen from both: what the program shows its user, and what our pipe says.
"""

import re
import time
from contextlib import contextmanager
from typing import Iterator

from .client import Client
from .lab import PATIENCE, Failed
from .pipe import Ours, escape


class Story:
    def __init__(self, client: Client, ours: Ours) -> None:
        self.client, self.ours = client, ours
        self.steps = 0
        self._private: list[str] = []
        self._keys: tuple[str, str] | None = None

    @contextmanager
    def step(self, what: str, trouble: bool = False) -> Iterator[None]:
        """One line of the report. Neither side may tell of trouble in it, unless trouble is what it is about."""
        began = time.monotonic()
        self.client.mark()
        self.ours.mark()
        try:
            yield
            self._texts_are_whole()
            if not trouble:
                self.client.no_trouble()
                self.ours.no_trouble()
        except Failed as failed:
            print(f"FAILED {what}: {failed}", flush=True)
            raise
        self.steps += 1
        print(f"ok {time.monotonic() - began:5.1f} s  {what}", flush=True)

    def is_secure(self, seconds: float = PATIENCE) -> None:
        """Both are private, and each says of the other the key that the other one has."""
        name = self.client.name
        event = self.ours.hears(r"event secure \S+ v(\d) fingerprint=(\w+) ssid=\w+", seconds)
        self.client.shows(self.client.words.secure)
        # Once is enough: who has been verified by SMP is not shown each time.
        self._keys = self._keys or self.client.fingerprints()
        own, theirs = self._keys
        if (int(event[1]), event[2]) != (self.client.version, own):
            raise Failed(f"our pipe says {event[0]}, and {name} has the key {own}")
        if not any(theirs in line for line in self.ours.greeting + self.ours.ask("state")):
            raise Failed(f"{name} says our key is {theirs}, and `state` does not")

    def talk(self, *texts: str) -> None:
        """Each text goes to our side, and one like it comes back from there."""
        for text in texts:
            self.client_says(text)
            self.ours_says(text)

    def client_says(self, text: str) -> None:
        text = self._new_text(text)
        self.client.say(text)
        self.ours.hears("plain " + re.escape(escape(text)))
        self.client.shows(self.client.words.own_text, text)

    def ours_says(self, text: str, shown: str = "") -> None:
        text = self._new_text(text)
        self.ours.ask("send " + escape(text))
        self.client.shows(shown or self.client.words.their_text, text)

    def _new_text(self, text: str) -> str:
        """One that was not said before: its number is in front."""
        self._private.append(f"{len(self._private) + 1}. {text}")
        return self._private[-1]

    def client_asks(self, question: str, theirs: str, ours: str) -> None:
        words, equal = self.client.words, theirs == ours
        self.client.ask(question, theirs)
        self.client.shows(words.asking)
        self.ours.hears("event smp-ask " + re.escape(question))
        self.ours.ask(f"smp-respond {ours}")
        self.client.shows(words.asked_and_equal if equal else words.asked_and_unequal)
        self._smp_ends(equal)

    def ours_asks(self, question: str, ours: str, theirs: str) -> None:
        words, equal = self.client.words, theirs == ours
        self.ours.ask(f"smp-start {question}|{ours}")
        self.client.shows(words.question if question else words.no_question, question)
        self.client.answer(theirs, question)
        self._smp_ends(equal)
        if question:
            self.client.shows(words.answered_and_equal if equal else words.answered_and_unequal)
        else:
            self.client.shows(words.agreed if equal else words.disagreed)

    def _smp_ends(self, equal: bool) -> None:
        event = self.ours.hears("event smp-(success|failure|aborted)")
        if event[1] != ("success" if equal else "failure"):
            raise Failed(f"our pipe says {event[0]}")

    def has_verified(self) -> None:
        """What an equal secret showed our side still counts."""
        if not any("verified=smp" in line for line in self.ours.ask("state")):
            raise Failed("our side does not count the key as verified")

    def _texts_are_whole(self) -> None:
        """What was said in private came once, and no longer word of it was on the wire."""
        seen = self.client.terminal.said()
        for text in self._private:
            if sum(line.endswith(f" {text}") for line in seen) > 1:
                raise Failed(f"{self.client.name} shows more than once: {text}")
            if self.ours.heard.count("plain " + escape(text)) > 1:
                raise Failed(f"our pipe says more than once: {text}")
        words = {word for text in self._private for word in re.findall(r"\w{6,}", text)}
        for line in self.ours.wire:
            if any(word in line for word in words):
                raise Failed(f"it was on the wire: {line}")

    def show(self) -> None:
        """What each side has seen, for who looks for the fault."""
        try:
            screen = self.client.terminal.screen()
        except Failed as failed:
            screen = [str(failed)]
        columns = {
            f"the screen of {self.client.name}": screen[-30:],
            "our pipe": self.ours.heard[-20:],
            "the wire (->: from our side)": self.ours.wire[-20:],
        }
        for title, lines in columns.items():
            print(f"  {title}:")
            for line in lines:
                print(f"    {line[:120]}")
