//! Forged conversations before honest programs, and beside honest ones.
//!
//! For each operation there is a test in which honest code takes the forgery, and one in which a wrong key or guess is refused, or
//! seen as garbage. They are named as `cargo test` names them: those of `forge` and `dake` are here, the others in
//! `tests/tests/forge`. `tests/tests/guards.rs` sees that all of these exist.
//!
//! | operation | accepted | refused |
//! |---|---|---|
//! | Parse | `parse::every_message_of_a_conversation_in_version_4_is_taken_apart`, `parse::every_message_of_a_conversation_in_version_3_is_taken_apart`, `parse::messages_of_the_offline_start_and_of_the_prekey_server_are_taken_apart` | `parse::lines_in_clear_are_told_apart`, `parse::whatever_a_message_holds_all_of_it_is_shown` |
//! | Modify Data Message, version 4 | `v4::a_modified_message_is_taken_for_the_real_one`, `third_party::a_recorded_message_of_version_4_is_changed_with_revealed_keys_alone` | `v4::a_key_of_another_message_modifies_nothing`, `v4::texts_that_do_not_fit_modify_nothing`, `v4::a_wrong_guess_of_the_text_is_not_noticed_and_its_reader_sees_garbage_there`, `plaintext::a_nul_that_a_wrong_guess_makes_ends_the_text`, `plaintext::a_guess_over_the_end_makes_text_of_what_is_there` |
//! | Modify Data Message, version 3 | `v3::a_modified_message_is_taken_for_the_real_one`, `third_party::a_recorded_message_of_version_3_is_changed_with_revealed_keys_alone`, `toolkit::texts_are_modified_to_the_same_line` | `v3::wrong_keys_and_texts_that_do_not_fit_are_refused`, `v3::a_wrong_guess_of_the_text_is_not_noticed_and_its_reader_sees_garbage_there`, `plaintext::a_nul_that_a_wrong_guess_makes_ends_the_text`, `plaintext::a_guess_over_the_end_makes_text_of_what_is_there` |
//! | Read and Forge Data Message, version 4 | `v4::a_message_is_read_and_forged_with_its_chain_key`, `v4::each_operation_keeps_the_mac_keys_that_a_message_reveals`, `v4::a_forged_message_keeps_its_records_and_what_it_reveals`, `plaintext::a_text_forged_with_itself_gives_the_same_line_whatever_is_behind_it`, `plaintext::a_forged_text_is_padded_as_its_senders_program_would` | `v4::a_chain_key_opens_the_messages_after_its_own_and_none_before`, `v4::the_key_of_another_ratchet_or_direction_opens_nothing`, `v4::a_text_with_a_nul_is_not_forged`, `plaintext::what_is_too_long_for_any_client_is_not_forged` |
//! | Read and Forge Data Message, version 3 | `v3::a_message_is_read_and_forged_with_its_aes_key`, `v3::each_operation_keeps_the_mac_keys_that_a_message_reveals`, `toolkit::texts_are_read_and_forged_by_each_for_the_other`, `plaintext::a_text_forged_with_itself_gives_the_same_line_whatever_is_behind_it` | `v3::wrong_keys_and_texts_that_do_not_fit_are_refused`, `plaintext::what_is_too_long_for_any_client_is_not_forged` |
//! | Forge DAKE and Session Keys, interactive | `forge::tests::a_forged_key_exchange_is_accepted_by_honest_verifiers`, `forge::tests::first_messages::the_chain_keys_of_a_forged_interactive_key_exchange_open_and_forge_the_first_messages_of_both` | `forge::tests::what_cannot_be_forged_is_refused`, `dake::tests::each_key_of_the_ring_of_auth_r_and_no_other_can_sign_it` |
//! | Forge DAKE and Session Keys, offline | `forge::tests::offline::the_owners_program_takes_a_forged_start_and_checks_its_mac_and_signature`, `forge::tests::first_messages::the_chain_key_of_a_forged_offline_key_exchange_opens_and_forges_its_first_message` | `forge::tests::offline::who_has_no_key_of_the_ring_forges_nothing_from_a_genuine_ensemble`, `forge::tests::offline::a_prekey_message_changed_on_its_way_is_none_of_the_accounts_own`, `forge::tests::offline::an_ensemble_with_another_profile_of_its_owner_is_refused` |
//! | Forge DAKE and Session Keys, version 3 | `toolkit::session_keys_are_the_same_at_both_ends`, `forge::tests::session_keys::the_recorded_session_id_comes_from_the_dh_keys_of_either_side` | `toolkit::session_keys_are_the_same_at_both_ends` |
//! | Show MAC Key, version 4 | `v4::a_modified_message_is_taken_for_the_real_one` | `v4::a_key_of_another_message_modifies_nothing` |
//! | Show MAC Key, version 3 | `toolkit::mac_keys_are_the_same`, `v3::a_modified_message_is_taken_for_the_real_one` | `v3::wrong_keys_and_texts_that_do_not_fit_are_refused` |
//! | ReMAC Message, version 4 | `v4::a_message_gets_a_new_mac_under_any_key` | `v4::a_message_gets_a_new_mac_under_any_key` |
//! | ReMAC Message, version 3 | `v3::a_message_gets_a_new_mac_under_any_key`, `toolkit::parts_are_put_together_to_the_same_line`, `v3::the_parts_of_a_message_are_put_together_again_and_taken_under_its_key_alone` | `v3::a_message_gets_a_new_mac_under_any_key`, `v3::the_parts_of_a_message_are_put_together_again_and_taken_under_its_key_alone`, `plaintext::what_is_too_long_for_any_client_is_not_forged` |
//! | Impersonate Initiator or Responder | `forge::tests::posing::who_has_the_forging_secret_of_bob_poses_as_alice_to_his_live_session`, `forge::tests::posing::who_has_the_forging_secret_of_bob_poses_as_alice_while_he_is_away`, `forge::tests::posing::who_has_a_waiting_prekey_of_bobs_poses_as_alice_once_though_his_forging_secret_is_destroyed` | `forge::tests::posing::a_destroyed_forging_secret_keeps_bob_from_being_lied_to_live_even_by_who_has_his_long_term_key`, `forge::tests::posing::an_impersonator_signs_no_profile_and_cannot_be_saved` |
//! | False Prekey Ensemble | `forge::tests::an_honest_sender_takes_a_false_ensemble`, `forge::tests::ensembles::whoever_has_the_owners_account_answers_who_starts_from_a_false_ensemble`, `forge::tests::a_whole_offline_conversation_is_forged_with_either_key_in_either_direction_and_honest_verifiers_accept_it` | `forge::tests::an_honest_sender_takes_a_false_ensemble`, `forge::tests::a_script_that_no_honest_program_would_play_is_refused`, `forge::tests::ensembles::a_false_ensemble_that_no_honest_client_takes_is_refused` |
//! | Forge Entire Transcript, interactive | `forge::tests::a_whole_interactive_conversation_is_forged_with_either_key_whoever_began_and_honest_verifiers_accept_it`, `forge::tests::a_forged_interactive_conversation_shows_what_an_honest_one_shows` | `forge::tests::what_cannot_be_forged_is_refused`, `forge::tests::a_script_that_no_honest_program_would_play_is_refused`, `forge::tests::network::no_text_is_left_out_where_the_key_exchange_is_lost_or_slow` |
//! | Forge Entire Transcript, offline | `forge::tests::offline::who_starts_forges_a_conversation_from_a_genuine_ensemble_and_its_owners_program_takes_it`, `forge::tests::offline::the_owner_of_an_ensemble_forges_that_somebody_wrote_to_them_with_either_key_and_their_program_takes_it`, `forge::tests::offline::one_who_was_away_when_their_profiles_expired_takes_the_conversation_up_as_an_honest_program_does` | `forge::tests::offline::who_has_no_key_of_the_ring_forges_nothing_from_a_genuine_ensemble`, `forge::tests::offline::nothing_is_forged_that_the_policy_of_who_was_away_would_not_have_taken`, `forge::tests::offline::whoever_comes_back_when_their_program_has_forgotten_the_shared_prekey_takes_nothing_up` |
//! | MAC keys that a message reveals, version 4 | `third_party::a_recorded_message_of_version_4_is_changed_with_revealed_keys_alone` | `third_party::a_recorded_message_of_version_4_is_changed_with_revealed_keys_alone` |
//! | MAC keys that a message reveals, version 3 | `third_party::a_recorded_message_of_version_3_is_changed_with_revealed_keys_alone` | `third_party::a_recorded_message_of_version_3_is_changed_with_revealed_keys_alone` |
//! | What anybody can check of a key exchange | `witness::an_honest_and_a_forged_key_exchange_pass_alike`, `witness::crossing_identities_answers_of_two_clients_and_damaged_lines_are_sorted_out` | `witness::an_offline_start_passes_with_the_ensemble_that_it_answers_and_no_other`, `witness::what_is_not_signed_so_does_not_pass`, `witness::nobody_talks_to_their_own_client` |
//! | Messages of the MAC keys that a transcript reveals | `revealed::each_message_that_was_answered_has_its_key_in_the_answer`, `revealed::a_key_of_version_3_has_all_messages_that_it_served` | `revealed::nothing_is_revealed_before_a_ratchet_turns`, `revealed::a_repeated_line_a_changed_message_and_another_order_are_seen_through`, `revealed::bytes_in_the_place_of_keys_are_of_no_message`, `forge::revealed::tests::each_pair_is_tried_once_and_none_beyond_the_budget` |

mod ensembles;
mod first_messages;
mod live;
mod network;
mod offline;
mod posing;
mod session_keys;

use rand_core::Rng as _;

use super::judge::{Kind, observe};
use super::*;
use crate::client_profile::ClientProfile;
use crate::crypto::dh3072::DhPublic;
use crate::crypto::ring::{self, RingUse};
use crate::dake::interactive::{AuthI, AuthR, Identity};
use crate::dake::offline::NonInteractiveAuth;
use crate::dake::transcript::{Side, Transcript as Signed};
use crate::keys::{ForgingSecret, Point};
use crate::prekey_profile::PrekeyProfile;
use crate::ratchet::keys::ChainKey;
use crate::v4::DataMessage;
use crate::vectors::{Recorded, rng};
use crate::wire::{Header, Line as Classified, MessageType, Padding, Reader, classify, read_plaintext};
use crate::{Account, Lifetimes, LoadError, Policy, Refused, Reject, Timestamp};
use live::Live;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn account(id: &str, forging: ForgingSecret) -> Account {
    Account::new(id, forging, Lifetimes::default(), &mut rng(), NOW)
}

fn alice() -> Account {
    account("alice@example.org", ForgingSecret::Keep)
}

fn bob() -> Account {
    account("bob@example.org", ForgingSecret::Keep)
}

/// The Prekey Profile that an account publishes.
fn prekey_profile(account: &mut Account) -> PrekeyProfile {
    account.make_prekeys(0, &mut rng(), NOW).expect("few");
    let bytes = account.prekey_profile().expect("it was made").as_bytes().to_vec();
    PrekeyProfile::read(&mut Reader::new(&bytes)).expect("a profile")
}

/// Turns, two messages in one, a heartbeat, and three DH ratchets.
fn said() -> Vec<Said<'static>> {
    let script = [
        (Who::Participant, 5, "The keys are under the mat."),
        (Who::Participant, 9, "The left one."),
        (Who::Other, 20, "Which mat?"),
        (Who::Participant, 30, "The red one."),
        (Who::Other, 45, "I see none."),
        (Who::Participant, 200, "Then it was the neighbour's."),
        (Who::Other, 210, "Oh."),
        (Who::Other, 211, "He is at home."),
        (Who::Participant, 230, "Ask him."),
    ];
    script.map(|(by, after, text)| Said { by, at: NOW.plus(after), text }).into()
}

fn script<'a>(begin: Begin<'a>, said: &'a [Said<'a>], end: Who) -> Script<'a> {
    let end = Some((end, NOW.plus(300)));
    Script { end, ..breaking_off(begin, said) }
}

fn breaking_off<'a>(begin: Begin<'a>, said: &'a [Said<'a>]) -> Script<'a> {
    let (participant, other) = (Manner::default(), Manner::default());
    Script { begin, start: NOW, said, end: None, until: NOW, participant, other }
}

fn at_once(_: &Line) -> Delivery {
    Delivery::AT_ONCE
}

/// Everything that a third person can check, given the chain keys. Gives the texts.
fn check(
    transcript: &Transcript,
    [participant, other]: [&Account; 2],
    ensemble: Option<&Ensemble>,
) -> Vec<(Who, String)> {
    let side_of = |who| if who == Who::Participant { participant } else { other };
    let lines = &transcript.lines;
    let (mut identity, mut auth_r, mut texts) = (None, None, Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let Classified::Encoded(Ok(message)) = classify(&line.line) else { continue };
        let mut r = Reader::new(&message);
        let header = Header::read(&mut r).expect("a header");
        let (sender, receiver) = (side_of(line.sender), side_of(line.sender.peer()));
        assert_eq!(header.sender, sender.tag());
        match header.message_type {
            MessageType::Identity => {
                identity = Some((line.sender, Identity::read(&header, &mut r).expect("one")))
            }
            MessageType::AuthR => auth_r = Some(AuthR::read(&header, &mut r).expect("one")),
            MessageType::AuthI => {
                let auth_i = AuthI::read(&mut r).expect("one");
                let (initiator, identity) = identity.as_ref().expect("an Identity before");
                let auth_r = auth_r.as_ref().expect("an Auth-R before");
                assert_eq!(*initiator, line.sender);
                let (b, a) = (sender.client_profile(), receiver.client_profile());
                let bytes = (b.as_bytes(), a.as_bytes());
                assert_eq!((identity.profile.as_bytes(), auth_r.profile.as_bytes()), bytes);
                let first = [
                    Some((&identity.first_ecdh, &identity.first_dh)),
                    Some((&auth_r.first_ecdh, &auth_r.first_dh)),
                ];
                let signed = Signed {
                    bob: signed_side(sender, &identity.ecdh, &identity.dh, first[0]),
                    alice: signed_side(receiver, &auth_r.ecdh, &auth_r.dh, first[1]),
                };
                let ring = [b.forging_key(), a.identity_key(), &identity.ecdh];
                assert!(ring::verify(RingUse::Otr, ring, &auth_r.sigma, &signed.auth_r()));
                let ring = [b.identity_key(), a.forging_key(), &auth_r.ecdh];
                assert!(ring::verify(RingUse::Otr, ring, &auth_i.sigma, &signed.auth_i()));
            }
            MessageType::NonInteractiveAuth => {
                let message = NonInteractiveAuth::read(&header, &mut r).expect("one");
                let ensemble = ensemble.expect("an ensemble").ensemble().clone();
                let ensemble = ensemble.verify(NOW, crate::wire::Versions::V4).expect("valid");
                let prekey = ensemble.message();
                assert_eq!(message.prekey_id(), prekey.id());
                let first = Some((&message.first_ecdh, &message.first_dh));
                let signed = Signed {
                    bob: signed_side(receiver, prekey.ecdh(), prekey.dh(), None),
                    alice: signed_side(sender, &message.ecdh, &message.dh, first),
                };
                let t = signed.non_interactive(ensemble.prekey_profile().shared_prekey());
                let (b, a) = (receiver.client_profile(), sender.client_profile());
                let ring = [b.forging_key(), a.identity_key(), prekey.ecdh()];
                assert!(ring::verify(RingUse::Otr, ring, &message.sigma, &t));
            }
            MessageType::Data => {
                let message = DataMessage::read(&mut r).expect("a data message");
                let Some(key) = &line.chain_key else {
                    assert_eq!(at + 1, lines.len(), "the answer to an end is for nobody to read");
                    continue;
                };
                let chain = ChainKey::load(&mut Reader::new(key.as_bytes())).expect("64 bytes");
                assert!(message.is_authentic(&chain.message_key().mac_key()));
                let plaintext = message.plaintext(&chain);
                let (text, _) = read_plaintext(&plaintext);
                if !text.is_empty() {
                    texts.push((line.sender, String::from_utf8_lossy(text).into_owned()));
                }
            }
            other => panic!("an unexpected {other:?}"),
        }
    }
    texts
}

fn signed_side<'a>(
    account: &'a Account,
    ecdh: &'a Point,
    dh: &'a DhPublic,
    first: Option<(&'a Point, &'a DhPublic)>,
) -> Side<'a> {
    let profile = account.client_profile().as_bytes();
    Side { tag: account.tag(), account: account.id(), profile, ecdh, dh, first }
}

/// Every message that is not the last of its direction has its MAC key revealed later.
fn assert_mac_keys_are_revealed(lines: &[Line]) {
    let observed = observe(lines);
    let data = |at: usize| observed[at].data.as_ref();
    let revealed: Vec<usize> = observed
        .iter()
        .filter_map(|line| line.data.as_ref())
        .flat_map(|data| data.reveals.iter().map(|at| at.expect("a key of a message before")))
        .collect();
    let all: Vec<usize> = (0..observed.len()).filter(|at| data(*at).is_some()).collect();
    let mut unique = revealed.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), revealed.len(), "each once");
    assert!(revealed.len() + 2 >= all.len(), "{revealed:?} of {all:?}");
}

fn texts_of(said: &[Said<'_>]) -> Vec<(Who, String)> {
    said.iter().map(|said| (said.by, said.text.to_owned())).collect()
}

fn forged_ensemble(owner: &Account, profile: &PrekeyProfile) -> Ensemble {
    Ensemble::forged(&Person::of(owner).profile, profile, NOW, &mut rng()).expect("profiles that are valid")
}

/// What the receiver's own program reads of what was written while he was away.
fn heard_by(receiver: &Account, starts: Who, transcript: &Transcript, back: Timestamp) -> Vec<String> {
    let account = Account::load(&receiver.save()).expect("what was saved");
    let sender = if receiver.id() == "bob@example.org" { alice() } else { bob() };
    let mut live = Live::new(sender, account);
    live.now = back;
    let lines = transcript.lines.iter().take_while(|line| line.sender == starts);
    lines.for_each(|line| live.step(1, |session, cx| session.receive(cx, &line.line)));
    assert_eq!(live.clients[1].rejected(), None);
    live.clients[1].heard().into_iter().map(ToOwned::to_owned).collect()
}

fn first_texts(said: &[Said<'_>], by: Who) -> Vec<String> {
    said.iter().take_while(|said| said.by == by).map(|said| said.text.to_owned()).collect()
}

#[test]
fn a_whole_interactive_conversation_is_forged_with_either_key_whoever_began_and_honest_verifiers_accept_it() {
    let (alice, bob, said) = (alice(), bob(), said());
    for key in [Key::long_term_of(&alice), Key::forging_of(&alice)] {
        let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), NOW).expect("a key of hers");
        for begins in [Who::Participant, Who::Other] {
            let script = script(Begin::Interactive(begins), &said, begins);
            let transcript = forger.transcript(script, &mut at_once, &mut rng()).expect("a transcript");
            assert_eq!(check(&transcript, [&alice, &bob], None), texts_of(&said));
            assert_mac_keys_are_revealed(&transcript.lines);
        }
    }
}

#[test]
fn a_whole_offline_conversation_is_forged_with_either_key_in_either_direction_and_honest_verifiers_accept_it()
{
    let (mut alice, mut bob, said) = (alice(), bob(), said());
    let profiles = [prekey_profile(&mut alice), prekey_profile(&mut bob)];
    for key in [Key::long_term_of(&alice), Key::forging_of(&alice)] {
        let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), NOW).expect("a key of hers");
        for (starts, receiver, profile) in
            [(Who::Participant, &bob, &profiles[1]), (Who::Other, &alice, &profiles[0])]
        {
            let ensemble = forged_ensemble(receiver, profile);
            let said: Vec<_> =
                said.iter().filter(|s| s.by == starts || s.at > NOW.plus(15)).copied().collect();
            let begin = Begin::Offline { starts, ensemble: &ensemble, back: NOW.plus(15) };
            let transcript = forger
                .transcript(script(begin, &said, starts), &mut at_once, &mut rng())
                .expect("a transcript");
            assert_eq!(check(&transcript, [&alice, &bob], Some(&ensemble)), texts_of(&said));
            assert_mac_keys_are_revealed(&transcript.lines);
            let mut receiver = Account::load(&receiver.save()).expect("what was saved");
            // They have not made that prekey. If they had:
            ensemble.give_to(&mut receiver).expect("their profiles");
            let heard = heard_by(&receiver, starts, &transcript, NOW.plus(15));
            assert_eq!(heard, first_texts(&said, starts));
        }
    }
}

#[test]
fn a_forged_interactive_conversation_shows_what_an_honest_one_shows() {
    let said = said();
    let padded = Policy { padding: Padding::Classes, heartbeat_after: Some(20), ..Policy::standalone() };
    for (begins, policy) in
        [(Who::Participant, Policy::default()), (Who::Other, Policy::default()), (Who::Other, padded)]
    {
        let (alice, bob) = (alice(), bob());
        let (participant, other) = (policy.into(), policy.into());
        let script = Script { participant, other, ..script(Begin::Interactive(begins), &said, Who::Other) };
        let key = Key::forging_of(&alice);
        let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), NOW).expect("a key of hers");
        let forged = forger.transcript(script, &mut at_once, &mut rng()).expect("a transcript");
        let mut live = Live::new(alice, bob);
        live.clients.iter_mut().for_each(|client| *client.session.policy() = policy);
        live.step(usize::from(begins == Who::Other), |session, cx| session.start(cx));
        live.deliver();
        live.play(&script);
        let (forged, honest) = (observe(&forged.lines), observe(&live.lines));
        let messages = honest.iter().filter(|line| line.kind == Kind::Message(MessageType::Data)).count();
        assert!(messages > said.len() + 1, "heartbeats and the end are there, too");
        assert_eq!(forged, honest);
    }
}

#[test]
fn a_forged_offline_conversation_shows_what_an_honest_one_shows() {
    let (alice, mut bob) = (alice(), bob());
    let said: Vec<_> =
        said().into_iter().filter(|s| s.by == Who::Participant || s.at > NOW.plus(15)).collect();
    let ensembles = bob.make_prekeys(1, &mut rng(), NOW).expect("few");
    let ensemble = {
        let profile = prekey_profile(&mut bob);
        forged_ensemble(&bob, &profile)
    };
    let back = NOW.plus(15);
    let begin = Begin::Offline { starts: Who::Participant, ensemble: &ensemble, back };
    let script = script(begin, &said, Who::Other);
    let key = Key::long_term_of(&alice);
    let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), NOW).expect("a key of hers");
    let forged = forger.transcript(script, &mut at_once, &mut rng()).expect("a transcript");
    let mut live = Live::new(alice, bob);
    live.away = Some((1, back));
    live.step(0, |session, cx| session.start_offline(cx, ensembles).expect("an ensemble"));
    live.play(&script);
    assert_eq!(observe(&forged.lines), observe(&live.lines));
}

#[test]
fn a_forged_key_exchange_is_accepted_by_honest_verifiers() {
    let (alice, bob) = (alice(), bob());
    for key in [Key::long_term_of(&alice), Key::forging_of(&alice)] {
        let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), NOW).expect("a key of hers");
        for initiator in [Who::Participant, Who::Other] {
            let forged = forger.dake(initiator, NOW, &mut rng()).expect("a key exchange");
            let kinds = [(initiator, 0x35), (initiator.peer(), 0x36), (initiator, 0x37)];
            let types: Vec<_> = forged.messages.iter().map(|(who, message)| (*who, message[2])).collect();
            assert_eq!(types, kinds);
            let lines = forged.messages.iter().map(|(sender, message)| Line {
                sender: *sender,
                at: NOW,
                received: Some(NOW),
                line: crate::wire::armour(message),
                chain_key: None,
            });
            let transcript = Transcript { lines: lines.collect(), ssid: forged.ssid };
            assert!(check(&transcript, [&alice, &bob], None).is_empty());
        }
    }
}

#[test]
fn an_honest_sender_takes_a_false_ensemble() {
    let (alice, mut bob) = (alice(), bob());
    let profile = prekey_profile(&mut bob);
    let ensemble = forged_ensemble(&bob, &profile);
    let mut live = Live::new(alice, bob);
    let ensembles = vec![ensemble.ensemble().clone()];
    live.step(0, |session, cx| session.start_offline(cx, ensembles).expect("she takes it"));
    live.step(0, |session, cx| session.send(cx, None, "Are you there?").expect("encrypted"));
    live.deliver();
    let [alice, bob] = &live.clients;
    assert_eq!(alice.fingerprint_at_the_other_end(), Some(bob.account.fingerprint().into()));
    assert_eq!(bob.rejected(), Some(Reject::UnknownPrekey), "Bob never made it");
}

#[test]
fn what_cannot_be_forged_is_refused() {
    let (alice, bob, carol) = (alice(), bob(), account("carol@example.org", ForgingSecret::Destroy));
    let forger = |who: &Account, key, other: &Account, at| {
        Forger::new(Person::of(who), key, Person::of(other), at).err()
    };
    let late = NOW.plus(8 * 24 * 60 * 60);
    let expired = Reject::Expired("client profile");
    let own = Key::long_term_of(&alice);
    assert_eq!(forger(&alice, own, &bob, late), Some(CannotForge::Profile(Who::Participant, expired)));
    assert_eq!(forger(&alice, Key::long_term_of(&carol), &bob, NOW), Some(CannotForge::OutsideRing));
    assert_eq!(forger(&alice, Key::forging_of(&bob), &bob, NOW), Some(CannotForge::OutsideRing));
    assert_eq!(forger(&carol, Key::forging_of(&carol), &bob, NOW), Some(CannotForge::Destroyed));
    assert_eq!(forger(&alice, own, &alice, NOW), Some(CannotForge::OneClient));

    let lifetimes = Lifetimes { profile: 30 * 24 * 60 * 60, ..Lifetimes::default() };
    let long = Account::new("dave@example.org", ForgingSecret::Keep, lifetimes, &mut rng(), NOW);
    let key = Key::long_term_of(&long);
    assert_eq!(forger(&long, key, &bob, late), Some(CannotForge::Profile(Who::Other, expired)));

    let mut damaged = bob.client_profile().as_bytes().to_vec();
    *damaged.last_mut().expect("a signature") ^= 1;
    let profile = ClientProfile::read(&mut Reader::new(&damaged)).expect("the format is right");
    let damaged = Person { account: "bob".into(), profile };
    let refused = Forger::new(Person::of(&alice), own, damaged, NOW).err();
    assert_eq!(refused, Some(CannotForge::Profile(Who::Other, Reject::Forged)));
}

#[test]
fn a_script_that_no_honest_program_would_play_is_refused() {
    let (alice, bob) = (alice(), bob());
    let own = Key::long_term_of(&alice);
    let forger = Forger::new(Person::of(&alice), own, Person::of(&bob), NOW).expect("a key of hers");
    let refused = |said: &[Said<'_>], end| {
        let script = Script { end, ..breaking_off(Begin::Interactive(Who::Participant), said) };
        forger.transcript(script, &mut at_once, &mut rng()).err()
    };
    let say = |at, text| Said { by: Who::Other, at: NOW.plus(at), text };
    assert_eq!(
        refused(&[say(3 * 60 * 60, "after the conversation has expired")], None),
        Some(CannotForge::Refused(Refused::Ended))
    );
    assert!(matches!(refused(&[say(1, "a NUL: \0")], None), Some(CannotForge::Refused(_))));
    assert_eq!(refused(&[], None), None);

    let (mut carol, away) = (account("carol@example.org", ForgingSecret::Destroy), [say(1, "I am away.")]);
    let foreign = {
        let profile = prekey_profile(&mut carol);
        forged_ensemble(&carol, &profile)
    };
    let mut bob = bob;
    let own = {
        let profile = prekey_profile(&mut bob);
        forged_ensemble(&bob, &profile)
    };
    let offline = |ensemble, said| {
        let begin = Begin::Offline { starts: Who::Participant, ensemble, back: NOW.plus(60) };
        let script = breaking_off(begin, said);
        forger.transcript(script, &mut at_once, &mut rng()).err()
    };
    let owner = Reject::ForeignOwner("prekey ensemble");
    assert_eq!(offline(&foreign, &[]), Some(CannotForge::Ensemble(owner)));
    assert_eq!(offline(&own, &away), Some(CannotForge::Away));
    assert_eq!(offline(&own, &[]), None);
}
