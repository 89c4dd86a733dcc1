"""XMPP: a server on the loopback, and the link of our side to it."""

import base64
import socket
import subprocess
from xml.etree.ElementTree import Element, SubElement, XMLPullParser, tostring

from .lab import Failed, Lab, free_port

HOST = "localhost"
PASSWORD = "a password for one run"


class Prosody:
    def __init__(self, lab: Lab, accounts: list[str]) -> None:
        self.port = free_port()
        for folder in ("prosody", "certs"):
            (lab.folder / folder).mkdir()
        config = lab.folder / "prosody.cfg.lua"
        config.write_text(CONFIG.format(folder=lab.folder, port=self.port, host=HOST))
        for account in accounts:
            argv = ["prosodyctl", "--config", str(config), "register", account, HOST, PASSWORD]
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode:
                raise Failed(f"prosodyctl cannot register {account}: {done.stdout} {done.stderr}")
        lab.start("prosody", ["prosody", "--config", str(config), "-F"])
        lab.until_listening(self.port)


class XmppLink:
    """As much of an XMPP client as one correspondent takes (RFC 6120, 6121): no TLS, SASL PLAIN, messages."""

    limit = 0

    def __init__(self, lab: Lab, server: Prosody, user: str, contact: str) -> None:
        self.account, self.contact = f"{user}@{HOST}", f"{contact}@{HOST}"
        self._socket = socket.create_connection(("127.0.0.1", server.port), 10)
        lab.at_end(self._socket.close)
        self._socket.setblocking(False)
        self._came: list[str] = []
        self._online = False
        self._stanzas = {
            f"{STREAMS}features": self._features,
            f"{SASL}success": lambda _: self._open_stream(),
            f"{SASL}failure": refuse,
            f"{STREAMS}error": refuse,
            f"{CLIENT}iq": self._iq,
            f"{CLIENT}message": self._message,
        }
        self._credentials = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        self._open_stream()
        lab.until(lambda: self._take() or self._online, "the server lets us in")

    def send(self, text: str) -> None:
        message = Element("message", to=self.contact, type="chat")
        SubElement(message, "body").text = text
        self._write(tostring(message, "unicode"))

    def receive(self) -> list[str]:
        self._take()
        came, self._came = self._came, []
        return came

    def _open_stream(self) -> None:
        self._parser, self._depth = XMLPullParser(["start", "end"]), 0
        self._write(
            f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0'"
            " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )

    def _write(self, text: str) -> None:
        self._socket.setblocking(True)
        self._socket.sendall(text.encode())
        self._socket.setblocking(False)

    def _take(self) -> None:
        try:
            while more := self._socket.recv(65536):
                self._read(more)
            raise Failed("the XMPP server closed our connection")
        except BlockingIOError:
            pass

    def _read(self, more: bytes) -> None:
        """Gives each child of the stream to who is there for it."""
        parser = self._parser
        parser.feed(more)
        for event, element in parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "start" and self._depth == 1:
                self._stream = element
            elif event == "end" and self._depth == 1:
                self._stream.remove(element)
                self._stanzas.get(element.tag, lambda _: None)(element)
            if self._parser is not parser:
                return  # A new stream has begun.

    def _features(self, features: Element) -> None:
        if features.find(f"{SASL}mechanisms") is not None:
            auth = Element("auth", xmlns=SASL[1:-1], mechanism="PLAIN")
            auth.text = self._credentials
            self._write(tostring(auth, "unicode"))
        else:
            bind = Element("iq", type="set", id="bind")
            SubElement(bind, "bind", xmlns="urn:ietf:params:xml:ns:xmpp-bind")
            self._write(tostring(bind, "unicode"))

    def _iq(self, iq: Element) -> None:
        if iq.get("id") == "bind" and iq.get("type") == "result":
            self._write("<presence/>")
            self._online = True
        elif iq.get("type") in ("get", "set"):
            answer = Element("iq", type="error", id=iq.get("id", ""))
            if sender := iq.get("from"):
                answer.set("to", sender)
            error = SubElement(answer, "error", type="cancel")
            SubElement(error, "service-unavailable", xmlns="urn:ietf:params:xml:ns:xmpp-stanzas")
            self._write(tostring(answer, "unicode"))

    def _message(self, message: Element) -> None:
        if message.get("type") == "error":
            refuse(message)
        body = message.findtext(f"{CLIENT}body")
        if body is not None and message.get("from", "").split("/")[0] == self.contact:
            self._came.append(body)


def refuse(element: Element) -> None:
    raise Failed(f"the XMPP server says {tostring(element, 'unicode')}")


STREAMS = "{http://etherx.jabber.org/streams}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
CLIENT = "{jabber:client}"
# Root is who runs this in a container.
CONFIG = """\
data_path = "{folder}/prosody"
certificates = "{folder}/certs"
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
run_as_root = true
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
modules_enabled = {{ "roster", "saslauth", "disco" }}
modules_disabled = {{ "s2s", "tls", "posix" }}
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
VirtualHost "{host}"
"""
