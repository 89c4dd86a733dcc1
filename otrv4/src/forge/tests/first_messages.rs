//! The chain keys of a forged key exchange are those that two honest programs would have, had they drawn the same ephemeral keys: with
//! them the first messages of both are read, and forged.

use std::collections::VecDeque;

use rand_core::CryptoRng;

use super::offline::{forger, published};
use super::*;
use crate::Secret;
use crate::dake::interactive::{SentAuthR, SentIdentity};
use crate::dake::{Established, Us, offline};
use crate::forge::dake::read;
use crate::forge::v4;
use crate::wire::{Versions, armour};

/// A generator whose draws can be repeated.
#[derive(Default)]
struct Recording(VecDeque<Vec<u8>>);

impl rand_core::TryRng for Recording {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        rng().fill_bytes(out);
        self.0.push_back(out.to_vec());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Recording {}

/// What an honest program tells its key exchange.
fn us<'a>(account: &'a Account, correspondent: &'a Account) -> Us<'a> {
    Us {
        tag: account.tag(),
        account: account.id(),
        key: account.key().signing(),
        profile: account.client_profile(),
        versions: Versions::V4,
        correspondent: correspondent.id(),
    }
}

/// An interactive key exchange of honest programs: of who begins, and of who answers.
fn honest_dake([begins, answers]: [&Account; 2], rng: &mut dyn CryptoRng) -> [Established; 2] {
    let sent = SentIdentity::new(us(begins, answers), None, rng);
    let theirs = read(sent.message(), Identity::read).expect("an Identity message");
    let theirs = theirs.verify(us(answers, begins), NOW).expect("valid");
    let answer = SentAuthR::new(us(answers, begins), theirs, rng).expect("an Auth-R message");
    let auth_r = read(answer.message(), AuthR::read).expect("an Auth-R message");
    let (established, auth_i) = sent.receive(us(begins, answers), auth_r, NOW, rng).expect("valid");
    answer.verify(&read(&auth_i, |_, r| AuthI::read(r)).expect("an Auth-I message")).expect("valid");
    [established, answer.complete()]
}

/// The first message of this client, read with its chain key; the other one's program takes what is forged in its place. No key but
/// this one opens it.
fn forge_first_message(live: &mut Live, who: usize, chain_key: &Secret<64>, others: &[&Secret<64>]) {
    live.step(who, |session, cx| session.send(cx, None, "what was said").expect("encrypted"));
    let line = live.clients[1 - who].inbox.pop_back().expect("a message");
    let read = v4::read_and_forge(&line, chain_key, Some("what was not")).expect("its chain key");
    assert_eq!((read.text.as_str(), read.steps), ("what was said", 0));
    for other in others {
        assert_eq!(v4::read_and_forge(&line, other, None).err(), Some(ForgeError::WrongChainKey));
    }
    live.clients[1 - who].inbox.push_back(read.forged.expect("a message"));
}

#[test]
fn the_chain_keys_of_a_forged_interactive_key_exchange_open_and_forge_the_first_messages_of_both() {
    for (initiator, begins) in [(Who::Participant, 0), (Who::Other, 1)] {
        let (alice, bob) = (alice(), bob());
        let mut draws = Recording::default();
        let forger = forger(&alice, Key::long_term_of(&alice), &bob);
        let forged = forger.dake(initiator, NOW, &mut draws).expect("a key exchange");
        let mut live = Live::new(alice, bob);
        let accounts = [begins, 1 - begins].map(|who| &live.clients[who].account);
        let established = honest_dake(accounts, &mut Recorded(draws.0));
        assert_eq!(established[0].ssid, forged.ssid);
        let tags = accounts.map(Account::tag);
        for ((who, tag), established) in
            [(begins, tags[1]), (1 - begins, tags[0])].into_iter().zip(established)
        {
            live.step(who, |session, cx| session.take_up(cx, tag, established).expect("there is room"));
        }
        let [of_auth_r, of_auth_i] = &forged.chain_keys[..] else { panic!("two chain keys") };
        forge_first_message(&mut live, 1 - begins, of_auth_r, &[of_auth_i]);
        forge_first_message(&mut live, begins, of_auth_i, &[of_auth_r]);
        live.deliver();
        live.clients.iter().for_each(|client| assert_eq!(client.heard(), ["what was not"]));
    }
}

#[test]
fn the_chain_key_of_a_forged_offline_key_exchange_opens_and_forges_its_first_message() {
    let (alice, mut bob) = (alice(), bob());
    let published = published(&mut bob);
    for ensemble in
        [Ensemble::genuine(published.clone()), Ensemble::own(published.clone(), &bob).expect("unused")]
    {
        // With Bob's key another signature would come from the same draws, and the same keys.
        let forger = forger(&alice, Key::long_term_of(&alice), &bob);
        let mut draws = Recording::default();
        let forged =
            forger.offline_dake(Who::Participant, &ensemble, NOW, &mut draws).expect("a key exchange");
        let ([(_, message)], [chain_key]) = (&forged.messages[..], &forged.chain_keys[..]) else {
            panic!("one of each")
        };
        let [alice, bob] = [&alice, &bob].map(|account| Account::load(&account.save()).expect("saved"));
        let verified = published.clone().verify(NOW, Versions::V4).expect("valid");
        let honest = offline::start(us(&alice, &bob), &verified, &mut Recorded(draws.0));
        let (established, honest) = honest.expect("a start");
        assert_eq!((&established.ssid, &honest), (&forged.ssid, message));
        let (tag, mut live) = (bob.tag(), Live::new(alice, bob));
        live.step(0, |session, cx| session.take_up(cx, tag, established).expect("there is room"));
        live.step(1, |session, cx| session.receive(cx, &armour(message)));
        forge_first_message(&mut live, 0, chain_key, &[&Secret::copied(&[0; 64])]);
        live.deliver();
        assert_eq!(live.clients[1].heard(), ["what was not"]);
    }
}
