"""The stories: which programs, with which versions on our side, and what happens."""

from pathlib import Path
from typing import Callable

from . import chapters
from .client import Client
from .irc import IrcLink, Ngircd
from .irssi import Irssi
from .lab import Failed, Lab
from .pipe import Link, Ours
from .profanity import Profanity
from .story import Story
from .xmpp import Prosody, XmppLink


def irssi(program: Path) -> bool:
    """irssi has version 3, and gets it from whoever has it, too."""

    def whole(story: Story) -> None:
        chapters.conversation(story)
        chapters.fragments(story, story.ours.link.limit)
        chapters.restarts(story)
        chapters.both_begin(story)
        chapters.whitespace(story)

    return all([
        tell("irssi", program, "34", whole),
        tell("irssi", program, "3", chapters.in_short),
        tell("irssi", program, "234", chapters.in_short),
    ])  # fmt: skip


def profanity(program: Path) -> bool:
    """Profanity has version 2, which our side has to allow."""

    def whole(story: Story) -> None:
        chapters.conversation(story)
        chapters.fragments(story, 300)
        chapters.restarts(story)
        chapters.both_begin(story)
        chapters.whitespace(story)

    return all([
        tell("profanity", program, "234", whole),
        tell("profanity", program, "34", chapters.not_allowed),
    ])  # fmt: skip


def tell(name: str, program: Path, versions: str, chapter: Callable[[Story], None]) -> bool:
    """Whether a story came to its good end; what it saw, where not."""
    print(f"# {name}, and our side with versions {versions}", flush=True)
    story = None
    with Lab() as lab:
        try:
            client, link = sides(lab, name)
            story = Story(client, Ours(lab, program, link, versions))
            chapter(story)
            print(f"# {story.steps} steps", flush=True)
            return True
        except Failed as failed:
            if story:
                story.show()
            else:
                print(f"FAILED to get ready: {failed}", flush=True)
            return False


def sides(lab: Lab, name: str) -> tuple[Client, Link]:
    """The program that Alice uses, and the link that Bob, our side, has to her."""
    if name == "irssi":
        ngircd = Ngircd(lab)
        return Irssi(lab, ngircd, "alice", "bob"), IrcLink(lab, ngircd, "bob", "alice")
    prosody = Prosody(lab, ["alice", "bob"])
    return Profanity(lab, prosody, "alice", "bob"), XmppLink(lab, prosody, "bob", "alice")


STORIES = {"irssi": irssi, "profanity": profanity}
