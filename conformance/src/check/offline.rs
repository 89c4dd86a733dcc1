//! Conversations that begin while the other one is away, by somebody who has the shared secrets, and signs and
//! authenticates what must not be.

use otrv4::inside::primitives::over_bytes as primitives;
use otrv4::prekey::VerifiedEnsemble;
use otrv4::wire::Version::V4;
use otrv4::wire::Versions;

use super::begin::base64;
use super::prekeys::{begin_from, their_ensemble};
use super::signing::wrong_statements;
use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::illegal;
use crate::message::{Message, mpi};
use crate::signed::{Signed, bad_profiles, point};
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(
        V4,
        "offline-signed-statements",
        "otrv4: Non-Interactive-Auth Message; Shared Session State",
        signed_statements,
    ),
    Case::new(V4, "offline-signed-fields", "otrv4: Non-Interactive-Auth Message", signed_fields),
    Case::new(V4, "ensembles-to-refuse", "otrv4: Validating Prekey Ensembles", ensembles),
];

/// They read it, and both have one conversation.
fn begins(c: &mut Conversation, auth: &Message) -> Step {
    let said = c.them.receive(&auth.line())?;
    c.is_the_same(&said)?;
    c.carry(said.out())?;
    c.lives()
}

/// A program that has published, our message to it, and what it rests on.
struct Start {
    c: Conversation,
    ensemble: VerifiedEnsemble,
    honest: Message,
}

fn started(bench: &Bench<'_>) -> Step<Start> {
    let mut c = bench.strangers()?;
    let ensemble = their_ensemble(&mut c)?;
    let honest = Message::of(&begin_from(&mut c, &ensemble)?)?;
    match ensemble.verify(c.us.now, Versions::V4) {
        Ok(ensemble) => Ok(Start { c, ensemble, honest }),
        Err(reject) => failed(format!("their ensemble is not valid: {reject}")),
    }
}

impl Start {
    /// `tmp_k` from the secrets that our side has drawn, or of numbers that anybody can compute.
    fn tmp_k(&self, [ecdh, with_shared, with_identity]: [&[u8]; 3], k_dh: &[u8]) -> Vec<u8> {
        let brace = primitives::kdf(0x01, k_dh, 32);
        primitives::kdf(0x0c, &[ecdh, with_shared, with_identity, &brace].concat(), 64)
    }

    fn honest_tmp_k(&self) -> Step<Vec<u8>> {
        let x = self.honest.get("X")?;
        let drawn = &self.c.us.drawn;
        let ecdh = drawn.iter().find(|secret| {
            primitives::scalar_of_random(secret)
                .and_then(|x| primitives::mul_base(&x))
                .is_some_and(|of| of == x)
        });
        let a = self.honest.get("A")?;
        let dh = drawn.iter().find(|secret| {
            secret.len() == 80 && primitives::dh_public(secret).is_some_and(|of| mpi(&of) == a)
        });
        let (Some(x), Some(a)) = (ecdh, dh) else { return failed("our own secrets are not found") };
        let prekey = self.ensemble.message();
        let publics = [
            prekey.ecdh(),
            self.ensemble.prekey_profile().shared_prekey(),
            self.ensemble.profile().identity_key(),
        ];
        let shared: Vec<_> =
            publics.iter().filter_map(|public| primitives::ecdh(x, &point(public))).collect();
        let k_dh = primitives::dh_shared(a, prekey.dh().as_be_bytes());
        match (shared.as_slice(), k_dh) {
            ([ecdh, with_shared, with_identity], Some(k_dh)) => {
                Ok(self.tmp_k([ecdh, with_shared, with_identity], &k_dh))
            }
            _ => failed("our own secrets give no shared secret"),
        }
    }

    /// The message with a signature over one thing, and a MAC over another, both as they are made.
    fn sealed(
        &self,
        message: &Message,
        tmp_k: &[u8],
        signed: &Signed,
        authenticated: &Signed,
    ) -> Step<Message> {
        let key = primitives::kdf(0x0d, tmp_k, 64);
        let mac = primitives::kdf(0x11, &[key, authenticated.t()].concat(), 64);
        message.with("sigma", &signed.sigma(&self.c.us)?)?.with("auth MAC", &mac)
    }

    /// Another message, signed and authenticated as it is.
    fn resealed(&self, message: &Message, tmp_k: &[u8]) -> Step<Message> {
        let signed = Signed::non_interactive(&self.c.us, &self.ensemble, message)?;
        self.sealed(message, tmp_k, &signed, &signed)
    }
}

/// Sigma or the MAC, or both, over something else than what the message is about.
fn signed_statements(bench: &Bench<'_>) -> Step {
    let mut start = started(bench)?;
    let tmp_k = start.honest_tmp_k()?;
    let honest = start.honest.clone();
    let right = Signed::non_interactive(&start.c.us, &start.ensemble, &honest)?;
    let mut wrong = wrong_statements(&right);
    let mut other = right.shared_prekey.clone();
    other.splice(2.., right.keys[0].iter().copied());
    wrong.push(("another shared prekey", Signed { shared_prekey: other, ..right.clone() }));
    wrong.push((
        "the shared prekey without its type",
        Signed { shared_prekey: right.shared_prekey.iter().skip(2).copied().collect(), ..right.clone() },
    ));
    wrong.push(("what Auth-R signs", Signed { prefix: vec![0], usages: [5, 6, 7], ..right.clone() }));
    let mut messages = Vec::new();
    for (how, wrong) in &wrong {
        // No first keys of theirs and nothing of the kind: what is the same is not wrong.
        if wrong.t() == right.t() {
            continue;
        }
        messages.push((format!("signed over {how}"), start.sealed(&honest, &tmp_k, wrong, &right)?));
        messages.push((format!("authenticated over {how}"), start.sealed(&honest, &tmp_k, &right, wrong)?));
        messages.push((
            format!("signed and authenticated over {how}"),
            start.sealed(&honest, &tmp_k, wrong, wrong)?,
        ));
    }
    let unknown = primitives::kdf(0x0c, b"not shared", 64);
    messages.push(("authenticated with another key".to_owned(), start.resealed(&honest, &unknown)?));
    for (how, message) in messages {
        start.c.ignored(&format!("a Non-Interactive-Auth message {how}"), &message.line())?;
    }
    // Our signature is another one, and good as well: otherwise nothing here would be tested.
    let right = start.resealed(&honest, &tmp_k)?;
    begins(&mut start.c, &right)
}

/// Keys and profiles that must be refused, whoever has signed them.
fn signed_fields(bench: &Bench<'_>) -> Step {
    let mut start = started(bench)?;
    let tmp_k = start.honest_tmp_k()?;
    let honest = start.honest.clone();
    let mut messages = Vec::new();
    for (how, profile) in bad_profiles(honest.get("profile")?, &start.c.us.account)? {
        let message = honest.with("profile", &profile)?;
        messages.push((format!("with a profile {how}"), start.resealed(&message, &tmp_k)?));
    }
    for (name, value) in illegal::points()? {
        let message = honest.with("first ECDH", &value)?;
        messages.push((
            format!("with the vector {name} as its first ECDH key"),
            start.resealed(&message, &tmp_k)?,
        ));
    }
    for (name, number) in illegal::dh_numbers()? {
        let message = honest.with("first DH", &mpi(&number))?;
        messages
            .push((format!("with the vector {name} as its first DH key"), start.resealed(&message, &tmp_k)?));
    }
    // With these everybody knows what is shared.
    let mut identity = vec![0; 57];
    identity.first_mut().into_iter().for_each(|byte| *byte = 1);
    let message = honest.with("X", &identity)?.with("A", &mpi(&[1]))?;
    let known = start.tmp_k([&identity, &identity, &identity], &[1]);
    messages.push(("with the identity as X and 1 as A".to_owned(), start.resealed(&message, &known)?));
    for (how, message) in messages {
        start.c.ignored(&format!("a signed Non-Interactive-Auth message {how}"), &message.line())?;
    }
    begins(&mut start.c, &honest)
}

/// What a server that lies may hand out.
fn ensembles(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let vectors = illegal::ensembles()?;
    ensure!(!vectors.is_empty(), "no vectors of kind ensemble");
    for (name, ensemble) in vectors {
        let answer = c.them.ask(&format!("offline {}", base64(&ensemble)))?;
        ensure!(
            answer.error().is_some() && answer.out().is_empty() && answer.event("secure ").is_none(),
            "the vector {name} is taken: {:?}",
            answer.lines()
        );
    }
    bench.begin(&mut c)?;
    c.lives()
}
