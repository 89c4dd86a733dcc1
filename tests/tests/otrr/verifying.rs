//! Two who verify each other, ours and a client of otrr, step by step; in all versions.

use otrr::UserMessage;
use otrv4::{Event, Verification};
use otrv4_tests::Person;

use crate::peer::{Otrr, deliver, kinds, they_say, we_say};

/// Our user asks; otrr's is asked and answers at once, or declines. Gives the kinds of all lines.
pub(crate) fn we_ask(
    ours: &mut Person,
    theirs: &mut Otrr,
    question: &str,
    secret: &str,
    answer: Option<&str>,
) -> Vec<String> {
    theirs.host.answer.replace(answer.map(String::from));
    ours.act(|session, cx| session.smp_start(cx, None, question, secret).expect("may ask"));
    let lines = deliver(ours, theirs);
    assert_eq!(theirs.host.asked.take(), [question]);
    kinds(&lines)
}

/// Our user asks, otrr's answers, and message 2 is under way.
pub(crate) fn ask_up_to_message_2(ours: &mut Person, theirs: &mut Otrr) {
    theirs.host.answer.replace(Some(SECRET.into()));
    ours.act(|session, cx| session.smp_start(cx, None, QUESTION, SECRET).expect("may ask"));
    ours.take().iter().for_each(|line| theirs.receive(line));
    assert_eq!(theirs.host.asked.take(), [QUESTION]);
}

/// And then message 3.
pub(crate) fn ask_up_to_message_3(ours: &mut Person, theirs: &mut Otrr) {
    ask_up_to_message_2(ours, theirs);
    theirs.take().iter().for_each(|line| _ = ours.receive(line));
}

pub(crate) fn we_abort(ours: &mut Person) {
    ours.act(|session, cx| session.smp_abort(cx, None).expect("may abort"));
}

/// otrr's user asks, and ours is asked.
pub(crate) fn they_ask(ours: &mut Person, theirs: &mut Otrr, question: &str, secret: &str) {
    theirs.start_smp(question.as_bytes(), secret);
    assert_eq!(kinds(&deliver(ours, theirs)), ["their Data"]);
    let (from, question) = (ours.channels()[0].0, question.into());
    assert_eq!(ours.told(), [Event::SmpAsked { from, question }]);
}

pub(crate) fn we_answer(ours: &mut Person, theirs: &mut Otrr, secret: &str) {
    let from = ours.channels()[0].0;
    let question = ours.session.smp_question(from).expect("was asked").to_owned();
    ours.act(|session, cx| session.smp_answer(cx, from, &question, secret).expect("was asked"));
    assert_eq!(kinds(&deliver(ours, theirs)), ["our Data", "their Data", "our Data"]);
}

/// Both have been told that the secrets are equal; our account counts their key as verified so far.
pub(crate) fn assert_success(ours: &mut Person, theirs: &mut Otrr, expected: Verification) {
    let with = ours.channels()[0].0;
    assert_eq!(ours.told(), [Event::SmpSucceeded { with, verification: expected }]);
    let (told, from) = (theirs.told(), ours.account.tag().get());
    assert!(matches!(told[..], [UserMessage::SMPSucceeded(tag)] if tag == from), "{told:?}");
    assert_eq!(verification(ours), expected);
    assert_they_talk_on(ours, theirs);
}

/// Both have been told that they are not; ours so many times now.
pub(crate) fn assert_failure(ours: &mut Person, theirs: &mut Otrr, failed: u32) {
    let with = ours.channels()[0].0;
    assert_eq!(ours.told(), [Event::SmpFailed { with, failed }]);
    assert_told_of_failure(ours, theirs, 1);
    assert_eq!(failed_smp(ours), failed);
}

/// otrr has told of so many failures and nothing else, and the conversation goes on.
pub(crate) fn assert_told_of_failure(ours: &mut Person, theirs: &mut Otrr, times: usize) {
    let (told, from) = (theirs.told(), ours.account.tag().get());
    assert_eq!(told.len(), times, "{told:?}");
    assert!(
        told.iter().all(|message| matches!(message, UserMessage::SMPFailed(tag) if *tag == from)),
        "{told:?}"
    );
    assert_they_talk_on(ours, theirs);
}

pub(crate) fn assert_they_talk_on(ours: &mut Person, theirs: &mut Otrr) {
    // COUNTER OF OLD KEYS: ours may have spoken last.
    they_say(ours, theirs, &["still here?".into()]);
    we_say(ours, theirs, &["still here.".into()]);
    they_say(ours, theirs, &["fine.".into()]);
}

/// No run is under way on either side, and a new one succeeds.
pub(crate) fn assert_all_works(ours: &mut Person, theirs: &mut Otrr) {
    assert_eq!(ours.session.smp_question(ours.channels()[0].0), None);
    // A run that ours did not know to be over would get an abort first.
    let lines = we_ask(ours, theirs, QUESTION, SECRET, Some(SECRET));
    assert_eq!(lines, ["our Data", "their Data", "our Data", "their Data"]);
    assert_success(ours, theirs, Verification::Smp);
}

/// How our account counts the key at the other end.
pub(crate) fn verification(ours: &Person) -> Verification {
    ours.account.verification(ours.session.correspondent(), ours.channels()[0].2)
}

/// How many guesses our account has counted.
pub(crate) fn failed_smp(ours: &Person) -> u32 {
    ours.account.contact(ours.session.correspondent()).expect("known").failed_smp()
}

pub(crate) const QUESTION: &str = "Wo trafen wir uns? ☕ — 東京";

/// With "é" as one character.
pub(crate) const SECRET: &str = "im Café";

/// The same to the eye, with an accent of its own: a secret counts byte by byte.
pub(crate) const ALIKE: &str = "im Cafe\u{301}";
