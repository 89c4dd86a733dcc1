"""Profanity in a terminal: version 2 by libotr, and nothing newer."""

from .client import Client, Words, plain
from .lab import Lab
from .terminal import Terminal
from .xmpp import HOST, PASSWORD, Prosody


class Profanity(Client):
    name = "Profanity"
    version = 2
    writes_whitespace = True

    def __init__(self, lab: Lab, server: Prosody, user: str, contact: str) -> None:
        super().__init__(lab)
        self.account, self.contact, self.home = f"{user}@{HOST}", f"{contact}@{HOST}", lab.folder / "profanity"
        self.words = words(self.contact)
        for folder, file, text in (("data", "accounts", ACCOUNTS), ("config", "profrc", SETTINGS)):
            (self.home / folder / "profanity").mkdir(parents=True)
            text = text.format(account=self.account, port=server.port, password=PASSWORD)
            (self.home / folder / "profanity" / file).write_text(text)
        self._keys = self.home / "data" / "profanity" / "otr" / f"{user}_at_{HOST}" / "keys.txt"
        self.start()

    def start(self) -> None:
        home = {"HOME": self.home, "XDG_DATA_HOME": self.home / "data", "XDG_CONFIG_HOME": self.home / "config"}
        env = {name: str(folder) for name, folder in home.items()}
        self.terminal = Terminal(self.lab, "profanity", ["profanity", "-a", self.account], env)
        self._mark = 0
        self.shows(".* logged in successfully, .*")
        if not self._keys.exists():
            self.terminal.type("/otr gen")
            self.shows(r".*Private key generation complete\.")
        self.terminal.type(f"/msg {self.contact}")
        self.lab.until(lambda: self.terminal.screen()[0].strip().startswith(self.contact), "Profanity opens a window")

    def begin(self) -> None:
        self.terminal.type("/otr start")

    def fingerprints(self) -> tuple[str, str]:
        self.terminal.type("/otr myfp")
        own = self.shows("! Your OTR fingerprint: (.*)")
        self.terminal.type("/otr theirfp")
        theirs = self.shows(f"! {self.contact}'s OTR fingerprint: (.*)")
        return plain(own[1]), plain(theirs[1])

    def ask(self, question: str, secret: str) -> None:
        self.terminal.type(f'/otr question "{question}" {secret}' if question else f"/otr secret {secret}")

    def answer(self, secret: str, question: str) -> None:
        self.terminal.type(f"/otr answer {secret}" if question else f"/otr secret {secret}")

    def finish(self) -> None:
        self.terminal.type("/otr end")


def words(contact: str) -> Words:
    return Words(
        plain_text=rf"- {contact}(/\S+)?: {{}}",
        secure=r"! OTR session started \((un)?trusted\)\.",
        own_text="~ me: {}",
        their_text=rf"~ {contact}(/\S+)?: {{}}",
        # "-" where others have "~": it takes what came in fragments for plain text, and it is not.
        text_in_fragments=rf"- {contact}(/\S+)?: {{}}",
        asking=rf"! Awaiting authentication from {contact}\.\.\.",
        asked_and_equal=r"! Authentication successful\.",
        asked_and_unequal=rf"! Authentication failed, the secret entered by {contact} does not match yours\.",
        question="!   {}",
        no_question=rf"! {contact} wants to authenticate your identity, use '/otr secret <secret>'\.",
        answered_and_equal=rf"! {contact} successfully authenticated you\.",
        answered_and_unequal=rf"! {contact} failed to authenticate you\.",
        agreed=r"! Authentication successful\.",
        disagreed="! Authentication failed, the secret you entered does not match .*",
        aborted=r"! SMP session aborted\.",
        ended_by_us=r"! OTR session ended\.",
        ended_by_them=r"! OTR session ended\.",
        unreadable="! OTR: Received an encrypted message but no private connection established\\.",
        trouble=r".*([Uu]nreadable|[Mm]alformed|OTR Error|OTR:).*",
    )


ACCOUNTS = """\
[{account}]
enabled=true
server=127.0.0.1
port={port}
tls.policy=disable
password={password}
"""
SETTINGS = """\
[ui]
roster=false
splash=false
[otr]
policy=opportunistic
"""
