"""The chapters of a story: what people do with a chat program that has OTR."""

import re

from .lab import Failed
from .story import Story

SHORT = "good evening, marmalade"
HARD = "größer & <kleiner> \"quoted\" 'so' 100% \\o/ {curly} $dollar ☂ &amp;"
# More than one line of IRC has room for; irssi cuts what its user types at about 400 bytes before OTR comes to it.
LONG = "what is longer than a line comes in fragments " * 8 + "and is whole"
LONGER = "so does what is much longer " * 60 + "and is whole"
PUBLIC = "is anybody there?"
QUESTION, SECRET, OTHER = "where did we meet?", "waterfall", "railway"


def conversation(story: Story) -> None:
    """From the first line to the last."""
    client, ours, name = story.client, story.ours, story.client.name
    with story.step(f"{name} begins: version {client.version}, keys equal on both sides"):
        client.begin()
        story.is_secure()
    with story.step("texts in turns"):
        story.talk(SHORT, HARD, "three", "four", "five")
    with story.step("texts one after the other from the same side"):
        for text in ("one", "two", "three"):
            story.client_says(f"{name} {text}")
        for text in ("one", "two", "three"):
            story.ours_says(f"ours {text}")
    with story.step("what is no text is not shown"):
        ours.ask("heartbeat")
        if client.version > 2:
            ours.ask("extra-key 00000001")
        story.ours_says(SHORT)
        if len(client.new()) > 1:
            raise Failed(f"{name} shows {client.new()}")
    smp(story)
    with story.step(f"{name} ends it"):
        client.finish()
        client.shows(client.words.ended_by_us)
        ours.hears(r"event finished \S+")
    with story.step("what our user types then does not go out", trouble=True):
        before = len(ours.wire)
        ours.ask(f"send {SHORT}")
        if len(ours.wire) > before:
            raise Failed(f"on the wire: {ours.wire[before:]}")
    ours.ask("end")
    with story.step("our side begins, and what its user types meanwhile waits until it is private"):
        ours.ask("query")
        story.ours_says(SHORT)
        story.is_secure()
        story.talk(SHORT)
    with story.step("our side ends it"):
        ours.ask("end")
        client.shows(client.words.ended_by_them)


def smp(story: Story) -> None:
    """Secrets compared, from both sides."""
    client, ours, name = story.client, story.ours, story.client.name
    for question in (QUESTION, ""):
        kind = "a question" if question else "a secret"
        with story.step(f"{name} asks with {kind}: equal"):
            story.client_asks(question, SECRET, SECRET)
        with story.step(f"{name} asks with {kind}: unequal"):
            story.client_asks(question, SECRET, OTHER)
        with story.step(f"our side asks with {kind}: equal"):
            story.ours_asks(question, SECRET, SECRET)
            story.has_verified()
        with story.step(f"our side asks with {kind}: unequal, and what was verified stays so"):
            story.ours_asks(question, SECRET, OTHER)
            story.has_verified()
    if client.can_abort:
        with story.step(f"{name} asks, and gives it up"):
            client.ask(QUESTION, SECRET)
            ours.hears("event smp-ask .*")
            client.abort()
            ours.hears("event smp-aborted")
            story.talk(SHORT)
    with story.step("our side asks, and gives it up"):
        ours.ask(f"smp-start {QUESTION}|{SECRET}")
        client.shows(client.words.question, QUESTION)
        ours.ask("smp-abort")
        client.shows(client.words.aborted)
        story.talk(SHORT)
    with story.step("after that a new question"):
        story.ours_asks(QUESTION, SECRET, SECRET)


def fragments(story: Story, limit: int) -> None:
    """Texts that do not fit into one line; our side's lines have up to `limit` bytes."""
    ours = story.ours
    with story.step(f"{story.client.name} begins again"):
        story.client.begin()
        story.is_secure()
    ours.ask(f"mtu {limit}")
    with story.step(f"our side sends {len(LONGER)} characters in fragments of {limit} bytes"):
        before = len(ours.wire)
        story.ours_says(LONGER, story.client.words.text_in_fragments)
        pieces = [line for line in ours.wire[before:] if line.startswith(("-> ?OTR|", "-> ?OTR,"))]
        if len(pieces) < 3 or any(len(piece) - 3 > limit for piece in pieces):
            raise Failed(f"that were {[len(piece) - 3 for piece in pieces]}")
    with story.step(f"{story.client.name} sends {len(LONG)} characters"):
        story.client_says(LONG)


def restarts(story: Story) -> None:
    """Each side goes down in the middle of a conversation and comes back."""
    client, ours, name = story.client, story.ours, story.client.name
    with story.step("our side is killed, comes back, and the conversation goes on"):
        ours.restart()
        story.talk(SHORT)
        story.client_asks(QUESTION, SECRET, SECRET)
    with story.step(f"{name} is killed, and comes back without the conversation", trouble=True):
        client.restart()
        ours.ask(f"send {SHORT}")
        if client.words.unreadable:
            client.shows(client.words.unreadable)
    with story.step("what its user types then is no private text for ours", trouble=True):
        client.say(PUBLIC)
        ours.hears(f"event warn-unencrypted {re.escape(PUBLIC)}")
    with story.step(f"{name} begins again"):
        client.begin()
        story.is_secure()
        story.talk(SHORT)


def both_begin(story: Story) -> None:
    """Both at once. Where that finds no conversation, which libotr's part in it allows, a second query does."""
    client, ours = story.client, story.ours
    end(story)
    with story.step("both begin at the same time", trouble=True):
        client.begin()
        ours.ask("query")
        try:
            story.is_secure(10)
        except Failed:
            print("          no conversation came of it: our side begins again", flush=True)
            ours.ask("query")
            story.is_secure()
        story.talk(SHORT)


def whitespace(story: Story) -> None:
    """Plain text says that its sender has OTR, and the other side begins."""
    client, ours, name = story.client, story.ours, story.client.name
    if client.starts_on_whitespace:
        end(story)
        with story.step(f"our side writes plain text with a whitespace tag, and {name} begins"):
            ours.ask(f"whitespace {PUBLIC}")
            client.shows(client.words.plain_text, PUBLIC)
            story.is_secure()
    if client.writes_whitespace:
        end(story)
        with story.step(f"{name} writes plain text with a whitespace tag, and our side begins"):
            client.say(PUBLIC)
            ours.hears(f"event cleartext {re.escape(PUBLIC)}")
            story.is_secure()


def end(story: Story) -> None:
    with story.step("both end it"):
        story.client.finish()
        story.ours.hears(r"event finished \S+")
        story.ours.ask("end")


def in_short(story: Story) -> None:
    """A conversation from either side, and no more."""
    client, ours = story.client, story.ours
    with story.step(f"{client.name} begins: version {client.version}"):
        client.begin()
        story.is_secure()
        story.talk(SHORT)
    with story.step(f"our side brings fresh keys, which {client.name} does not tell its user"):
        ours.ask("query")
        ours.hears(rf"event secure \S+ v{client.version} fingerprint=\w+ ssid=\w+")
        story.talk(SHORT)


def not_allowed(story: Story) -> None:
    """A version that the policy of our side does not allow."""
    client, ours = story.client, story.ours
    with story.step(f"{client.name} wants version {client.version}: refused, and our user is told", trouble=True):
        client.begin()
        ours.hears("event rejected .*version.*")
        if secure := [line for line in ours.heard if line.startswith("event secure")]:
            raise Failed(f"our pipe says {secure}")
