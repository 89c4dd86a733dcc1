"""IRC: a server on the loopback, and the link of our side to it."""

import re
import socket

from .lab import Failed, Lab, free_port


class Ngircd:
    def __init__(self, lab: Lab) -> None:
        self.port = free_port()
        config = lab.folder / "ngircd.conf"
        config.write_text(CONFIG.format(port=self.port))
        lab.start("ngircd", ["ngircd", "-n", "-f", str(config)])
        lab.until_listening(self.port)


class IrcLink:
    """As much of an IRC client as one correspondent takes."""

    def __init__(self, lab: Lab, server: Ngircd, account: str, contact: str) -> None:
        self.account, self.contact, self.limit = account, contact, 0
        self._socket = socket.create_connection(("127.0.0.1", server.port), 10)
        lab.at_end(self._socket.close)
        self._unread = b""
        self._came: list[str] = []
        self._command(f"NICK {account}")
        self._command(f"USER {account} 0 * :{account}")
        self._socket.setblocking(False)
        lab.until(lambda: self._take() or self.limit, "the server welcomes us")

    def send(self, text: str) -> None:
        if re.search(r"[\r\n\0]", text):
            raise Failed(f"our side sends a line that IRC takes for several: {text!r}")
        if len(text.encode()) > self.limit:
            raise Failed(f"our side sends a line that the server cuts off at {self.limit} bytes: {text!r}")
        self._command(f"PRIVMSG {self.contact} :{text}")

    def receive(self) -> list[str]:
        self._take()
        came, self._came = self._came, []
        return came

    def _command(self, line: str) -> None:
        self._socket.setblocking(True)
        self._socket.sendall(line.encode() + b"\r\n")
        self._socket.setblocking(False)

    def _take(self) -> None:
        try:
            while more := self._socket.recv(65536):
                self._unread += more
            raise Failed("the IRC server closed our connection")
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\r\n")
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        if line.startswith("PING"):
            self._command("PONG" + line[4:])
        elif match := re.fullmatch(r":(\S+?)!\S+ PRIVMSG (\S+) :(.*)", line):
            sender, target, text = match.groups()
            if sender == self.contact and target == self.account:
                self._came.append(text)
        elif match := re.fullmatch(r":\S+ 001 .* (\S+!\S+)", line):
            # What reaches the others has our whole name before it; all of it has 512 bytes.
            self.limit = 512 - len(f":{match[1]} PRIVMSG {self.contact} :\r\n".encode())
        elif re.fullmatch(r"ERROR .*|:\S+ [45]\d\d .*", line) and " 422 " not in line:
            raise Failed(f"the IRC server says {line}")


CONFIG = """\
[Global]
    Name = irc.example.org
    Info = A server for one run
    Listen = 127.0.0.1
    Ports = {port}
[Limits]
    MaxConnectionsIP = 0
    MaxPenaltyTime = 0
[Options]
    DNS = no
    Ident = no
    PAM = no
"""
