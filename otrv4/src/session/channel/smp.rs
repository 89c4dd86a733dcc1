//! SMP in a channel: the secret that is compared, the records that carry the messages, and one step of a run.
//! Spec: otrv4.md "The SMP State Machine", "Secret Information"; OTRv3 "Socialist Millionaires' Protocol (SMP)". Used
//! by [`crate::session`], which tells of it and notes what it proves.

use rand_core::CryptoRng;

use super::Channel;
use crate::account::Account;
use crate::session::SmpProgress;
use crate::smp::{Group, Smp, SmpError, ed448, modp};
use crate::wire::{Reader, Tlv, WireError, Writer, tlv_type, tlv_type_v3};

/// What a record of SMP has led to.
pub(crate) enum SmpStep {
    /// Message 1: our user has to answer the question, which may be empty.
    Asked(String),
    /// Message 2: this goes back.
    Reply(Tlv),
    /// Message 3, with what goes back, or message 4: the run is over.
    Concluded {
        /// Whether the secrets were the same.
        equal: bool,
        /// What they had asked, empty if nothing; none in a run that we began.
        question: Option<String>,
        reply: Option<Tlv>,
    },
    /// They have given it up, if it was under way.
    Aborted,
}

/// Who began a run.
#[derive(Clone, Copy)]
enum Initiator {
    We,
    They,
}

/// "The associated length should be zero".
pub(crate) fn abort() -> Tlv {
    Tlv { kind: tlv_type::SMP_ABORT, value: Vec::new() }
}

impl Channel {
    /// How far the run is.
    pub(crate) fn smp_progress(&self) -> SmpProgress {
        match self {
            Self::V4(channel) => SmpProgress::of(&channel.smp),
            Self::V3(channel) => SmpProgress::of(&channel.smp),
        }
    }

    /// What they have asked and our user has still to answer.
    pub(crate) fn smp_question(&self) -> Option<&str> {
        let question = match self {
            Self::V4(channel) => &channel.smp_question,
            Self::V3(channel) => &channel.smp_question,
        };
        question.as_deref().filter(|_| self.smp_progress() == SmpProgress::Asked)
    }

    /// Whether the account has the key that the conversation was begun with; it can be taken away.
    pub(crate) fn has_keys(&self, account: &Account) -> bool {
        match self {
            Self::V4(_) => true,
            Self::V3(_) => account.v3_key().is_some(),
        }
    }

    /// "User requests to begin SMP": the record of message 1. Whatever ran before is the caller's to abort.
    pub(crate) fn smp_start(
        &mut self,
        account: &Account,
        question: &str,
        secret: &str,
        rng: &mut dyn CryptoRng,
    ) -> Option<Tlv> {
        let input = (Initiator::We, secret.as_bytes());
        let (kind, prefix, body) = match self {
            Self::V4(channel) => {
                let (smp, body) = Smp::start(secret_v4(account, channel, input), rng);
                channel.smp = smp;
                let mut w = Writer::new();
                w.data(question.as_bytes());
                (tlv_type::SMP_1, w.finish(), body)
            }
            Self::V3(channel) => {
                let (smp, body) = Smp::start(secret_v3(account, channel, input)?, rng);
                channel.smp = smp;
                match question {
                    "" => (tlv_type::SMP_1, Vec::new(), body),
                    _ => (tlv_type_v3::SMP_1_WITH_QUESTION, [question.as_bytes(), b"\0"].concat(), body),
                }
            }
        };
        self.set_smp_question(None);
        Some(Tlv { kind, value: [prefix, body].concat() })
    }

    /// Our user has answered: the record of message 2.
    pub(crate) fn smp_answer(
        &mut self,
        account: &Account,
        secret: &str,
        rng: &mut dyn CryptoRng,
    ) -> Result<Tlv, SmpError> {
        let input = (Initiator::They, secret.as_bytes());
        let body = match self {
            Self::V4(channel) => {
                let (smp, body) = channel.smp.answer(secret_v4(account, channel, input), rng)?;
                channel.smp = smp;
                body
            }
            Self::V3(channel) => {
                let y = secret_v3(account, channel, input).ok_or(SmpError::Unexpected)?;
                let (smp, body) = channel.smp.answer(y, rng)?;
                channel.smp = smp;
                body
            }
        };
        Ok(Tlv { kind: tlv_type::SMP_2, value: body })
    }

    /// Whether a record is one of SMP.
    pub(crate) fn is_smp(&self, tlv: &Tlv) -> bool {
        let with_question = matches!(self, Self::V3(_)) && tlv.kind == tlv_type_v3::SMP_1_WITH_QUESTION;
        (tlv_type::SMP_1..=tlv_type::SMP_ABORT).contains(&tlv.kind) || with_question
    }

    /// Takes a record of SMP. Refused: nothing has changed, and the run is the caller's to end.
    pub(crate) fn smp_receive(&mut self, tlv: &Tlv, rng: &mut dyn CryptoRng) -> Result<SmpStep, SmpError> {
        let (question, body) = match (&*self, tlv.kind) {
            (Self::V4(_), tlv_type::SMP_1) => question_v4(&tlv.value)?,
            (Self::V3(_), tlv_type_v3::SMP_1_WITH_QUESTION) => question_v3(&tlv.value)?,
            _ => (String::new(), tlv.value.as_slice()),
        };
        let kind = if self.is_message_1(tlv) { tlv_type::SMP_1 } else { tlv.kind };
        match self {
            Self::V4(channel) => step(&mut channel.smp, &mut channel.smp_question, kind, question, body, rng),
            Self::V3(channel) => step(&mut channel.smp, &mut channel.smp_question, kind, question, body, rng),
        }
    }

    /// Back to EXPECT1, whatever was under way. If something was: whether message 3 was sent.
    pub(crate) fn take_smp(&mut self) -> Option<bool> {
        self.set_smp_question(None);
        match self {
            Self::V4(channel) => take(&mut channel.smp),
            Self::V3(channel) => take(&mut channel.smp),
        }
    }

    fn is_message_1(&self, tlv: &Tlv) -> bool {
        tlv.kind == tlv_type::SMP_1
            || matches!(self, Self::V3(_)) && tlv.kind == tlv_type_v3::SMP_1_WITH_QUESTION
    }

    fn set_smp_question(&mut self, question: Option<String>) {
        match self {
            Self::V4(channel) => channel.smp_question = question,
            Self::V3(channel) => channel.smp_question = question,
        }
    }
}

fn step<G: Group>(
    smp: &mut Smp<G>,
    their_question: &mut Option<String>,
    kind: u16,
    question: String,
    body: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<SmpStep, SmpError> {
    match kind {
        tlv_type::SMP_1 => {
            *smp = smp.receive_1(body)?;
            *their_question = Some(question.clone());
            Ok(SmpStep::Asked(question))
        }
        tlv_type::SMP_2 => {
            let (next, body) = smp.receive_2(body, rng)?;
            *smp = next;
            Ok(SmpStep::Reply(Tlv { kind: tlv_type::SMP_3, value: body }))
        }
        tlv_type::SMP_3 => {
            let (equal, body) = smp.receive_3(body, rng)?;
            *smp = Smp::default();
            let reply = Some(Tlv { kind: tlv_type::SMP_4, value: body });
            Ok(SmpStep::Concluded { equal, question: their_question.take(), reply })
        }
        tlv_type::SMP_4 => {
            let equal = smp.receive_4(body)?;
            *smp = Smp::default();
            Ok(SmpStep::Concluded { equal, question: their_question.take(), reply: None })
        }
        _ => Ok(SmpStep::Aborted),
    }
}

fn take<G: Group>(smp: &mut Smp<G>) -> Option<bool> {
    let before = std::mem::take(smp);
    before.is_running().then(|| before.has_sent_3())
}

/// Version 4: DATA with the question, always there, and the rest.
fn question_v4(value: &[u8]) -> Result<(String, &[u8]), SmpError> {
    let mut r = Reader::new(value);
    let question = r.text("SMP question")?;
    if question.len() > MAX_QUESTION || question.contains('\0') {
        return Err(WireError::Illegal("SMP question").into());
    }
    Ok((question, r.ahead()))
}

/// Version 3: up to a NUL, and the rest. It may be in whatever encoding the other side's system has.
fn question_v3(value: &[u8]) -> Result<(String, &[u8]), SmpError> {
    let mut parts = value.splitn(2, |byte| *byte == 0);
    let (Some(question), Some(body)) = (parts.next(), parts.next()) else {
        return Err(WireError::Truncated("SMP question").into());
    };
    if question.len() > MAX_QUESTION {
        return Err(WireError::Illegal("SMP question").into());
    }
    Ok((String::from_utf8_lossy(question).into_owned(), body))
}

/// `x` or `y`, by who began.
fn secret_v4(
    account: &Account,
    channel: &crate::v4::Channel,
    (initiator, secret): (Initiator, &[u8]),
) -> <ed448::Ed448 as Group>::Secret {
    let (first, second) = by(initiator, account.fingerprint(), channel.fingerprint);
    ed448::secret(&first, &second, &channel.ssid.bytes(), secret)
}

/// The same; none if the account has no key of version 3 any more.
fn secret_v3(
    account: &Account,
    channel: &crate::v3::Channel,
    (initiator, secret): (Initiator, &[u8]),
) -> Option<<modp::Modp1536 as Group>::Secret> {
    let (first, second) = by(initiator, account.v3_key()?.fingerprint(), channel.fingerprint);
    Some(modp::secret(&first, &second, &channel.ssid.bytes(), secret))
}

/// The initiator's first.
fn by<T>(initiator: Initiator, ours: T, theirs: T) -> (T, T) {
    match initiator {
        Initiator::We => (ours, theirs),
        Initiator::They => (theirs, ours),
    }
}

/// Longest question, and longest secret, in bytes of UTF-8: more than anybody types.
pub(crate) const MAX_QUESTION: usize = 4096;
