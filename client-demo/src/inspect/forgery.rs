//! What could be forged by whom, as far as these lines show. Spec: otrv4.md "Security Properties", "Revealing MAC Keys",
//! "KCI Attacks", "Forging Transcripts"; OTRv3 "The protocol".
//!
//! Of what it rests on, nothing but the signatures of profiles and MACs under revealed keys has been checked, see [`super::report`].
//! It is about what a line proves to somebody who was not there. In a live conversation each side checks what it receives:
//! there, nothing of this is a way in.

use serde::Serialize;

use super::report::{Entry, Message};

/// Who could have made, or could change, a line.
#[derive(Serialize)]
pub(super) struct Forgery {
    pub(super) by: Forger,
    /// The same for people, in some words.
    pub(super) short: String,
    pub(super) why: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Forger {
    /// Whoever can send a line.
    Anybody,
    /// The text of this message, with what is in the transcript.
    WhoeverHasTheTranscript,
    /// A whole key exchange that looks the same, from what is public.
    WhoeverMakesUpTheExchange,
    /// Those who share its keys.
    TheTwo,
    /// By the lines alone anybody. If somebody opens it and the signature inside holds, nobody but who signed.
    AnybodyUnlessOpened,
    /// It was not taken apart.
    NotKnown,
}

impl Forgery {
    /// Not decided yet.
    pub(super) const NONE: Self = Self { by: Forger::Anybody, short: String::new(), why: String::new() };

    pub(super) fn of(entry: &Entry) -> Self {
        let message = entry.main();
        match &message.error {
            None => Self::of_whole(entry, message),
            Some(error) => damaged(entry, message, error),
        }
    }

    /// As if it followed its format.
    fn of_whole(entry: &Entry, message: &Message) -> Self {
        match (message.name, entry.revealed_in) {
            ("Data message", Some(line)) => revealed(message, line),
            ("Data message", None) => unrevealed(message),
            ("Message of another version", _) => other_version(message),
            (name, _) => {
                let known = exchange(message).or_else(|| prekey_server(message));
                known.unwrap_or_else(|| in_clear(name))
            }
        }
    }

    fn new(by: Forger, short: &str, why: &str) -> Self {
        Self { by, short: short.to_owned(), why: why.to_owned() }
    }
}

/// What does not follow its format. It counts for what it is meant to be if the part is there that protects that.
fn damaged(entry: &Entry, message: &Message, error: &str) -> Forgery {
    let protection = match message.name {
        "Data message" => "authenticator",
        "Auth-R message"
        | "Auth-I message"
        | "Non-Interactive-Auth message"
        | "DAKE-2 message"
        | "DAKE-3 message" => "r3",
        "Reveal Signature message" | "Signature message" => "encrypted signature",
        "Success message" | "Failure message" | "Storage Status message" => "MAC",
        _ => "",
    };
    let is_there = message.field(protection).is_some();
    let (by, short, rest) = match is_there {
        true => {
            let Forgery { by, short, why } = Forgery::of_whole(entry, message);
            (by, short, format!("What is whole of it: {why}"))
        }
        false if is_unread(message, !protection.is_empty()) => {
            let why = "What stands behind the damage was not taken apart: whether something in that is signed, nobody looked.";
            (Forger::NotKnown, "not known".to_owned(), format!("{why}{}", of_profiles(message)))
        }
        false => {
            let why = format!("What would protect it is not there.{}", of_profiles(message));
            (Forger::Anybody, "anybody".to_owned(), why)
        }
    };
    let why =
        format!("It does not follow its format ({error}): some programs refuse it, others may not. {rest}");
    Forgery { by, short, why }
}

/// Whether there may be something signed in what was not taken apart of a damaged message.
fn is_unread(message: &Message, may_be_protected: bool) -> bool {
    if ["Encoded message", "Prekey server message"].contains(&message.name) {
        return true;
    }
    let count = |name| message.fields.iter().filter(|field| field.name == name).count();
    let in_profile = count("number of Client Profile fields") > count("Client Profile signature");
    let left = message.hex("what follows").map_or(0, |hex| hex.len() / 2);
    !message.is_cut_short && left >= SHORTEST_SIGNATURE && (may_be_protected || in_profile)
}

/// Bytes of one by DSA.
const SHORTEST_SIGNATURE: usize = 40;

fn other_version(message: &Message) -> Forgery {
    let version = message.version.unwrap_or_default();
    Forgery {
        by: Forger::NotKnown,
        short: "not known".to_owned(),
        why: format!(
            "It is of version {version}, which is not taken apart here. Whether something in it is signed, or has a MAC, nobody looked."
        ),
    }
}

/// What the signatures of the profiles in a message show, as further sentences.
fn of_profiles(message: &Message) -> String {
    let count = |holds| message.signatures().filter(|field| field.holds == holds).count();
    let (good, bad, unchecked) = (count(Some(true)), count(Some(false)), count(None));
    let mut said = match good {
        0 => String::new(),
        1 => " The signature of a profile in it holds: only that profile's owner can have made it. It is public, so having it proves \
              nothing else."
            .to_owned(),
        n => format!(
            " The signatures of {n} profiles in it hold: only their owners can have made those. They are public, so having them proves \
             nothing else."
        ),
    };
    said.push_str(&match bad {
        0 => String::new(),
        1 => " The signature of a profile in it does not hold: anybody can have put that together, from somebody's public keys and \
              bytes at random."
            .to_owned(),
        n => format!(
            " The signatures of {n} profiles in it do not hold: anybody can have put those together, from somebody's public keys and \
             bytes at random."
        ),
    });
    if unchecked > 0 {
        said.push_str(" A Prekey Profile in it was not checked: the key that signs it is not in this line.");
    }
    said
}

fn revealed(message: &Message, line: usize) -> Forgery {
    let several = match message.version {
        Some(4) => "",
        _ => {
            " In this version the key serves all messages that its sender sent under the same two Diffie-Hellman keys."
        }
    };
    Forgery {
        by: Forger::WhoeverHasTheTranscript,
        short: format!("anybody who has this transcript, since line {line}"),
        why: format!(
            "Its MAC key is in line {line}. Whoever guesses a part of the text can put other words of the same length in its \
             place and make the MAC anew, without being able to read the rest. So as evidence its text is worth nothing. In an \
             honest conversation its receiver had checked it before the key was revealed, or will take it no more.{several}"
        ),
    }
}

fn unrevealed(message: &Message) -> Forgery {
    let outsiders = match message.version {
        Some(4) => {
            " Somebody else cannot change it, but anybody could have made up the whole conversation with its key exchange."
        }
        _ => {
            " Somebody else cannot change it, but could have made it up with all other lines, as long as nobody opens the \
             signatures of the key exchange."
        }
    };
    Forgery {
        by: Forger::TheTwo,
        short: "either of the two who share its keys".to_owned(),
        why: format!(
            "No line here reveals its MAC key, so its MAC was not checked. Both sides have the keys of both directions, so either could have written it in \
             the other's name: it proves its author to the other one, and to nobody else.{outsiders}"
        ),
    }
}

/// Whoever can send what has nothing signed in it but profiles.
fn with_profiles(message: &Message, owner: &'static str, why: &str) -> Forgery {
    let short = if message.signatures().any(|field| field.holds == Some(true)) { owner } else { "anybody" };
    Forgery::new(Forger::Anybody, short, &format!("{why}{}", of_profiles(message)))
}

fn exchange(message: &Message) -> Option<Forgery> {
    let (by, short, why) = match message.name {
        "Identity message" => {
            let why = "Nothing in it is signed but the profile. Anybody can send it with keys of their own, and gets no further: what \
                       follows must be signed.";
            return Some(with_profiles(message, "anybody who has the Client Profile in it", why));
        }
        "Auth-R message" => (
            Forger::WhoeverMakesUpTheExchange,
            "anybody who makes up the whole exchange",
            "If its ring signature holds, which was not checked here, one of three keys made it, and it does not show which: the \
             sender's long-term key, the receiver's forging key, or Y of the Identity message. Whoever makes up both sides chooses Y, so \
             two public Client Profiles are enough, and no secret of either. Into a live exchange with an honest receiver only somebody \
             with the sender's long-term secret or the receiver's forging secret can put such a message.",
        ),
        "Auth-I message" => (
            Forger::WhoeverMakesUpTheExchange,
            "anybody who makes up the whole exchange",
            "If its ring signature holds, which was not checked here, one of three keys made it, and it does not show which: the \
             sender's long-term key, the receiver's forging key, or X of the Auth-R message. Whoever makes up both sides chooses X. Into \
             a live exchange with an honest receiver only somebody with the sender's long-term secret or the receiver's forging secret \
             can put such a message.",
        ),
        "Non-Interactive-Auth message" => (
            Forger::WhoeverMakesUpTheExchange,
            "anybody who makes up the prekey message, too",
            "If its ring signature holds, which was not checked here, one of three keys made it, and it does not show which: the \
             sender's long-term key, the receiver's forging key, or Y of the prekey message that it answers. Prekey messages are not \
             signed, so whoever makes one up knows its Y; they also need both public Client Profiles and the receiver's Prekey Profile. \
             With a prekey message that was really published it takes one of those three secrets. Two limits: a prekey server that \
             remembers what was published can tell a made-up prekey message; and a sender who works with a third party from the \
             start, and lets them make the fresh keys of this message, can prove to them that the receiver answers: nobody else \
             could.",
        ),
        "D-H Commit message" | "D-H Key message" => (
            Forger::Anybody,
            "anybody",
            "Nothing in it is signed and it names nobody but a client. Anybody can send one, and gets no further: what follows \
             must be signed.",
        ),
        "Reveal Signature message" | "Signature message" => (
            Forger::AnybodyUnlessOpened,
            "by the lines alone: anybody. If somebody opens it and the signature inside holds: only its owner",
            "By its format it holds, encrypted, a DSA signature by the sender's long-term key over both Diffie-Hellman keys of \
             this exchange. Who has the lines alone cannot see it: random bytes look the same. Whoever took part can open it. If \
             the signature holds, nobody but the owner of that key has made it, not even the other side: it then proves that \
             this key took part in a key exchange, with these two public keys. It does not name the other side, and says nothing \
             of what was written.",
        ),
        _ => return None,
    };
    Some(Forgery::new(by, short, &format!("{why}{}", of_profiles(message))))
}

fn prekey_server(message: &Message) -> Option<Forgery> {
    let (by, short, why) = match message.name {
        "Prekey message" => (
            Forger::Anybody,
            "anybody",
            "It is not signed: anybody can make one for any client, and whoever takes it cannot tell. What cannot be made are \
             the two profiles that come with it. A prekey server remembers what it was given.",
        ),
        "DAKE-1 message" => {
            let why = "Nothing in it is signed but the profile.";
            return Some(with_profiles(message, "anybody who has the Client Profile in it", why));
        }
        "DAKE-2 message" | "DAKE-3 message" => (
            Forger::WhoeverMakesUpTheExchange,
            "anybody who makes up the whole exchange",
            "If its ring signature holds, which was not checked here, one of three keys made it, and it does not show which: the \
             client's long-term key, the server's, or the fresh key of the message before. Whoever makes up both sides chooses that \
             one. Into a live exchange with an honest receiver only somebody with the long-term secret of either side can put such a \
             message.",
        ),
        "Prekey Ensemble Query message" | "No Prekey Ensembles in Storage message" => (
            Forger::Anybody,
            "anybody",
            "No MAC, no signature. What protects it on the way is the connection to the server, if anything.",
        ),
        "Prekey Ensemble Retrieval message" => {
            let why = "The prekey messages and the answer as a whole are not signed: who carries them can leave ensembles out, and put \
                       other prekey messages in. A Prekey Profile whose signature holds proves that its owner was ready for offline \
                       conversations.";
            return Some(with_profiles(message, "anybody who has profiles of the owner", why));
        }
        "Success message" | "Failure message" | "Storage Status message" => (
            Forger::TheTwo,
            "either of the two who share its keys",
            "Its MAC, which was not checked here, is under a key that comes out of the exchange before it, so the server and that client \
             can make it, and whoever made up that exchange.",
        ),
        _ => return None,
    };
    Some(Forgery::new(by, short, &format!("{why}{}", of_profiles(message))))
}

fn in_clear(name: &str) -> Forgery {
    match name {
        name if name.starts_with("Fragment") => Forgery::new(
            Forger::Anybody,
            "anybody",
            "A piece has no protection of its own. What protects the whole message is checked when it is put together.",
        ),
        _ => Forgery::new(
            Forger::Anybody,
            "anybody",
            "No key, no MAC, no signature: whoever carries it can write, change or drop it.",
        ),
    }
}
