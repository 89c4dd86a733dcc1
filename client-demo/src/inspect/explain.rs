//! What messages and their fields are for, in plain words. Spec: the format table of each message in otrv4.md, OTRv3 and
//! otrv4-prekey-server.md.

/// What a message is for.
pub(super) fn about(message: &str) -> &'static str {
    match message {
        "Text" => "Not encrypted, and nothing of OTR in it.",
        "Text with a whitespace tag" => {
            "Not encrypted. Blanks and tabs in it, which a reader does not see, say that its sender's client speaks OTR."
        }
        "Query message" => {
            "Asks the other side for an encrypted conversation, and says in which versions of OTR."
        }
        "Message of another version" => {
            "Encoded, and of a version other than 4, 3 and 2: what stands behind its type is not taken apart here."
        }
        "Error message" => "Says that something went wrong, such as a message that could not be read.",
        "Fragment" => "A piece of a message that was too long for one line.",
        "Fragment of a prekey server message" => {
            "A piece of a message to or from a prekey server that was too long for one line."
        }
        "Identity message" => {
            "The first of three messages of the interactive key exchange, DAKEZ: who its sender is, and two fresh public \
             keys."
        }
        "Auth-R message" => {
            "The second message of the interactive key exchange: who answers, two fresh public keys, and a ring signature."
        }
        "Auth-I message" => {
            "The third message of the interactive key exchange: the ring signature of whoever began. From here on both \
             can encrypt."
        }
        "Non-Interactive-Auth message" => {
            "Begins a conversation with somebody who is away, XZDH: made from keys that they have left at a prekey server. \
             One message is the whole exchange."
        }
        "Data message" => {
            "An encrypted text, or records for the other client alone: its flag says which. Whether those are a heartbeat, a \
             step of SMP or the end is not visible."
        }
        "D-H Commit message" => {
            "The first of four messages of the key exchange of versions 2 and 3: binds its sender to a public key that is \
             shown later."
        }
        "D-H Key message" => "The second message of the key exchange: a public key in return.",
        "Reveal Signature message" => {
            "The third message of the key exchange: opens the first one, and holds, encrypted, its sender's long-term key \
             and signature."
        }
        "Signature message" => {
            "The last message of the key exchange: holds, encrypted, its sender's long-term key and signature."
        }
        "Prekey message" => {
            "One-time public keys of somebody, kept by a prekey server for whoever wants to write to them while they are \
             away."
        }
        "DAKE-1 message" => {
            "A client begins to authenticate itself to a prekey server, to publish or to count its prekeys."
        }
        "DAKE-2 message" => "The prekey server answers: who it is, a fresh public key, and a ring signature.",
        "DAKE-3 message" => "The client's ring signature, and what it wants of the prekey server.",
        "Prekey Ensemble Query message" => "Asks a prekey server for the keys of somebody who may be away.",
        "Prekey Ensemble Retrieval message" => {
            "The prekey server's answer: for each client of that person two profiles and one prekey message."
        }
        "No Prekey Ensembles in Storage message" => "The prekey server has no keys of that person.",
        "Success message" => "The prekey server has done what DAKE-3 asked for.",
        "Failure message" => "The prekey server has not done what DAKE-3 asked for.",
        "Storage Status message" => "How many prekey messages of this client the prekey server has.",
        _ => "Looks like a message of OTR and follows none of the formats that are known here.",
    }
}

/// What a field is for; of signatures also what it means whether they hold.
pub(super) fn explain(message: &str, field: &str, holds: Option<bool>) -> &'static str {
    match (message, field) {
        (_, "Client Profile signature" | "Prekey Profile signature") => of_signature(field, holds),
        ("Prekey Ensemble Query message", "versions") => "In which versions of OTR the asker can talk.",
        ("Query message" | "Text with a whitespace tag", "versions") => {
            "The versions of OTR that are offered, a digit each."
        }
        ("Text with a whitespace tag", "whitespace tag") => {
            "The blanks and tabs themselves: sixteen that say OTR, and eight for each version."
        }
        ("Prekey message" | "Prekey Ensemble Retrieval message" | "DAKE-3 message", field) => {
            of_prekey(field).unwrap_or_else(|| of_any(field))
        }
        ("No Prekey Ensembles in Storage message", "message") => "The same for people.",
        ("Non-Interactive-Auth message", "X") => {
            "A fresh ECDH public key of whoever begins. It serves this conversation alone, and stands in no ring."
        }
        ("Non-Interactive-Auth message", "A") => {
            "A fresh 3072-bit Diffie-Hellman public key of whoever begins."
        }
        ("Query message", "query") => "The line itself.",
        ("Fragment" | "Fragment of a prekey server message", field) => of_fragment(field),
        (_, field) => of_any(field),
    }
}

fn of_signature(field: &str, holds: Option<bool>) -> &'static str {
    match (field, holds) {
        ("Client Profile signature", Some(true)) => {
            "By the long-term key in it, and it holds: nobody but who has that key's secret made this profile, and they cannot deny \
             having made it. Its dates and tags were not checked."
        }
        ("Client Profile signature", _) => {
            "Should be by the long-term key in it, and does not hold: anybody can have put this together, from somebody's public \
             keys and bytes at random."
        }
        (_, Some(true)) => {
            "By the long-term key of the Client Profile before it, and it holds: nobody but who has that key's secret made this \
             profile, and they cannot deny having been ready for offline conversations. Its dates and tags were not checked."
        }
        (_, Some(false)) => {
            "Should be by the long-term key of the Client Profile before it, and does not hold: anybody can have made this."
        }
        (_, None) => {
            "Should be by its owner's long-term key. That is not in this line, so it was not checked: as far as this line shows, \
             anybody can have made this."
        }
    }
}

fn of_any(field: &str) -> &'static str {
    of_head(field)
        .or_else(|| of_data(field))
        .or_else(|| of_exchange(field))
        .or_else(|| of_profile(field))
        .unwrap_or_default()
}

/// Of prekey messages, and of what travels inside DAKE-3.
fn of_prekey(field: &str) -> Option<&'static str> {
    Some(match field {
        "prekey message identifier" => "Tells it from the owner's others: each of them serves once.",
        "Y" => "The owner's one-time ECDH public key. Nobody has signed it.",
        "B" => "The owner's one-time Diffie-Hellman public key. Nobody has signed it.",
        "message inside DAKE-3" => {
            "What the client wants: publish profiles and prekeys, or count them. Not encrypted, with a MAC at its end."
        }
        "N" => "How many prekey messages follow.",
        "K" => "1 if a Client Profile follows.",
        "J" => "1 if a Prekey Profile follows.",
        "proof of the ECDH prekeys, c" | "proof of the ECDH prekeys, v" => {
            "Is to show that the client knows the secrets of all Y. Not checked here."
        }
        "proof of the DH prekeys, c" | "proof of the DH prekeys, v" => "Likewise, of all B.",
        "proof of the shared prekey, c" | "proof of the shared prekey, v" => {
            "Likewise, of the shared prekey."
        }
        _ => return None,
    })
}

fn of_fragment(field: &str) -> &'static str {
    match field {
        "identifier" => "The same in all pieces of one message.",
        "sender's instance tag" => "The client that sent it.",
        "receiver's instance tag" => "The client that it is for.",
        "index" => "Which piece this is, from 1.",
        "total" => "How many pieces there are.",
        "piece" => "A part of the line that was cut up.",
        _ => of_head(field).unwrap_or_default(),
    }
}

fn of_head(field: &str) -> Option<&'static str> {
    Some(match field {
        "protocol version" => "The version of OTR.",
        "message type" => "Which message it is.",
        "sender's instance tag" => {
            "Names the client that sent it, since one account may have several. Random, and the same in all conversations of \
             that client."
        }
        "receiver's instance tag" => "Names the client that it is for; 0 while none is known.",
        "text" => "What everybody on the way can read.",
        "error code" => "Which error, as a code that programs know.",
        "line" => "The line itself: it is damaged.",
        "what follows" => {
            "Bytes that belong to no field: from here on the message is damaged, or of no known kind."
        }
        "not taken apart" => "All the rest. Whatever it holds may be signed or not: nobody looked.",
        _ => return None,
    })
}

fn of_data(field: &str) -> Option<&'static str> {
    Some(match field {
        "flags" => {
            "1, IGNORE_UNREADABLE, says that nothing is lost if it cannot be read: the client sends it, not the person."
        }
        "previous chain message number" => {
            "pn: how many messages its sender's last ratchet had, so that lost ones are noticed."
        }
        "ratchet id" => "i: which ratchet, counted by both together. Each new one comes with a new ECDH key.",
        "message id" => "j: which message of its ratchet, from 0.",
        "public ECDH key" => {
            "The sender's ECDH key of this ratchet; the other side mixes it with its own for the next keys."
        }
        "public DH key" => {
            "The sender's 3072-bit Diffie-Hellman key, in every third ratchet: makes a new brace key, against computers that \
             break the curve. Empty in the others."
        }
        "encrypted message" => {
            "The text and records behind it, under a key of this message alone. Its length is that of the text and its padding."
        }
        "authenticator" => {
            "The MAC: over everything before it, under a key that both sides can make and, until it is revealed, nobody else. Here it \
             was tried under the keys that these lines reveal."
        }
        "old MAC keys to be revealed" => {
            "How many bytes of keys follow. Once messages have been checked, or will be taken no more, their MAC keys go out in \
             clear, so that anybody can change those messages. No MAC covers this list."
        }
        "revealed MAC key" => {
            "Meant to be the MAC key of an earlier message, now anybody's. Anybody on the way can put other bytes here; above it is \
             said of which message here it is the key."
        }
        "less than a MAC key" => "Too short for a key: the list is damaged, or was changed on the way.",
        "sender keyid" => "Which of its sender's Diffie-Hellman keys it was made with.",
        "recipient keyid" => "Which of its receiver's.",
        "DH y" => "The sender's next Diffie-Hellman key.",
        "top half of counter init" => {
            "Counts the messages under one pair of keys, so that no key stream is used twice."
        }
        _ => return None,
    })
}

fn of_exchange(field: &str) -> Option<&'static str> {
    Some(match field {
        "Y" => {
            "A fresh ECDH public key of whoever begins. It is also the third key of the ring that Auth-R is signed in."
        }
        "B" => "A fresh 3072-bit Diffie-Hellman public key of whoever begins.",
        "X" => {
            "A fresh ECDH public key of whoever answers. It is also the third key of the ring that Auth-I is signed in."
        }
        "A" => "A fresh 3072-bit Diffie-Hellman public key of whoever answers.",
        "c1" | "r1" | "c2" | "r2" | "c3" | "r3" => {
            "Part of the ring signature. If it holds, which was not checked here, one of three keys made it, and nobody can tell \
             which."
        }
        "prekey message identifier" => {
            "Which prekey message of the receiver was used: each of them serves once."
        }
        "Auth MAC" => {
            "A MAC over the exchange, under a key that comes out of it. Not checked here: that takes secrets."
        }
        "first ECDH public key" => "For the first ratchet of the conversation.",
        "first DH public key" => "Likewise: the Diffie-Hellman key of the first brace key.",
        "encrypted gx" => {
            "The sender's Diffie-Hellman public key, encrypted until the other side has shown its own."
        }
        "hashed gx" => "Its hash, so that it cannot be exchanged for another one.",
        "gy" => "The Diffie-Hellman public key in return.",
        "revealed key" => "Opens the encrypted gx of the D-H Commit message: whoever sees both messages can.",
        "encrypted signature" => {
            "The long-term public key, its number and a DSA signature over both Diffie-Hellman keys, encrypted under keys of \
             this exchange: an observer sees none of it."
        }
        "MAC'd signature" => "A MAC over it, under another key of this exchange.",
        "I" => "The client's fresh ECDH public key, and the third key of the ring that DAKE-2 is signed in.",
        "S" => "The server's fresh ECDH public key, and the third key of the ring that DAKE-3 is signed in.",
        "prekey server identity" => "Under which name the server is known.",
        "prekey server public key" => "The server's long-term public key.",
        "participant's identity" => "Whose keys are asked for.",
        "number of Prekey Ensembles" => "One for each client of that person.",
        "number of prekey messages" => "How many are left.",
        "MAC" => "Under a key of the exchange with this client, DAKE-1 to DAKE-3. Not checked here.",
        _ => return None,
    })
}

fn of_profile(field: &str) -> Option<&'static str> {
    Some(match field {
        "number of Client Profile fields" => {
            "The Client Profile begins: it is public, to be signed, and says who a client is."
        }
        "field type" => "Which field of the profile follows.",
        "owner's instance tag" => "The client whose keys these are.",
        "key type" => "What the next key is for.",
        "Ed448 public key" => "The long-term key. With the forging key it makes the fingerprint.",
        "Ed448 forging public key" => {
            "A second long-term key, in the rings of key exchanges and used in none of honest people. Its owner may have \
             destroyed its secret, or kept it, to be able to forge; nobody can see which."
        }
        "versions" => "The versions of OTR that its owner's client speaks, a digit each.",
        "Client Profile expiration" | "Prekey Profile expiration" => "When it ends.",
        "DSA key type" => "A key of version 3 follows that the profile claims to be its owner's, too.",
        "p" | "q" | "g" => "Parameters of that key.",
        "y" => "That public key.",
        "transitional signature" => {
            "Claims to be by that key of version 3, over the fields before. It proves nothing: anybody can make one for any such key."
        }
        "shared prekey" => "A public key of the owner's for offline conversations, used in many of them.",
        _ => return None,
    })
}
