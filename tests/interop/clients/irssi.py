"""irssi with irssi-plugin-otr, in a terminal: version 3 by libotr."""

from .client import Client, Words, plain
from .irc import Ngircd
from .lab import Lab
from .terminal import Terminal


class Irssi(Client):
    name = "irssi"
    version = 3
    can_abort = True
    starts_on_whitespace = True

    def __init__(self, lab: Lab, server: Ngircd, nick: str, contact: str) -> None:
        super().__init__(lab)
        self.nick, self.contact, self.home = nick, contact, lab.folder / "irssi"
        self.words = words(nick, contact)
        self.home.mkdir()
        (self.home / "config").write_text(CONFIG.format(port=server.port, nick=nick))
        (self.home / "startup").write_text("load otr\n")
        self.start()

    def start(self) -> None:
        self.terminal = Terminal(self.lab, "irssi", ["irssi", f"--home={self.home}"], {"HOME": str(self.home)})
        self._mark = 0
        self.shows("-!- Irssi: Loaded module otr/core")
        self.shows(f"-!- Welcome to .* {self.nick}!.*")
        if not (self.home / "otr" / "otr.key").exists():
            self._make_key()
        self.terminal.type(f"/query {self.contact}")
        self.shows("-!- (Irssi: )?Starting query in lab with .*")

    def _make_key(self) -> None:
        """It looks whether the key is ready only when there is something to do for it."""
        self.terminal.type("/otr genkey lab")

        def is_ready() -> bool:
            self.terminal.type("/otr info")
            return any("Fingerprint for lab" in line for line in self.new())

        self.lab.until(is_ready, "irssi has a key")

    def begin(self) -> None:
        self.terminal.type("/otr init")

    def fingerprints(self) -> tuple[str, str]:
        """It shows them when a conversation begins with somebody who has not been verified."""
        own, theirs = (self.shows(f"OTR key fingerprint: (.*) for {who}") for who in (self.nick, self.contact))
        return plain(own[1]), plain(theirs[1])

    def ask(self, question: str, secret: str) -> None:
        self.terminal.type(f'/otr authq "{question}" {secret}' if question else f"/otr auth {secret}")

    def answer(self, secret: str, question: str) -> None:
        self.terminal.type(f"/otr auth {secret}")

    def abort(self) -> None:
        self.terminal.type("/otr authabort")

    def finish(self) -> None:
        self.terminal.type("/otr finish")


def words(nick: str, contact: str) -> Words:
    equal, unequal = f"Authentication with {contact} successful", f"-!- Irssi: Authentication with {contact} failed"
    return Words(
        plain_text=f"<{contact}> {{}}",
        secure="Session secured",
        own_text=f"<{nick}> {{}}",
        their_text=f"<{contact}> {{}}",
        text_in_fragments=f"<{contact}> {{}}",
        asking="Initiated authentication",
        asked_and_equal=equal,
        asked_and_unequal=unequal,
        question="Question: {}",
        no_question=rf"{contact} wants to authenticate\. Use /otr auth <secret> to complete",
        answered_and_equal=equal,
        answered_and_unequal=unequal,
        agreed=equal,
        disagreed=unequal,
        aborted="Authentication aborted",
        ended_by_us=f"-!- Finished conversation with {contact}",
        ended_by_them=rf"{contact} has finished the OTR session\. .*",
        unreadable="",  # libotr says nothing in version 3, to neither side
        trouble=r".*(not encrypted|[Uu]nreadable|[Mm]alformed|[Uu]nrecognized OTR|Error in private|reflected|BUG).*",
    )


# The speed of commands is that of somebody who is allowed to be fast: irssi waits for seconds between long lines else.
CONFIG = """\
servers = ({{ address = "127.0.0.1"; port = "{port}"; chatnet = "lab"; autoconnect = "yes"; }});
chatnets = {{ lab = {{ type = "IRC"; nick = "{nick}"; cmdspeed = "10"; cmdmax = "100"; }}; }};
settings = {{ core = {{ real_name = "{nick}"; user_name = "{nick}"; }}; }};
"""
