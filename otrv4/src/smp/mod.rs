//! The Socialist Millionaires' Protocol: both sides learn whether their secrets are the same, and nothing else.
//! Spec: otrv4.md "Socialist Millionaires Protocol (SMP)", whose Alice begins and whose Bob is asked. Used by
//! [`crate::session`]; knows nothing of TLVs, questions and aborts: a body is what follows the question.
//!
//! Written once for the groups of both versions of OTR; the arithmetic of each is behind [`Group`].

pub(crate) mod ed448;
pub(crate) mod modp;
mod parts;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;

use core::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;

use crate::wire::{Reader, WireError, Writer};
use parts::{Commitment, Comparison, Generators, Prover};

/// The smpstate of one conversation. Each step borrows it and returns what comes next; a refused step changes nothing.
pub(crate) struct Smp<G: Group>(State<G>);

/// What is kept between two messages; the exponents and `x` are secret.
enum State<G: Group> {
    /// SMPSTATE_EXPECT1: nothing is running.
    Expect1,
    /// Bob has message 1 and its proofs hold; his user has not answered yet.
    Asked { g2a: G::Element, g3a: G::Element },
    /// SMPSTATE_EXPECT2: Alice sent message 1.
    Expect2 { x: G::Secret, a2: G::Secret, a3: Arc<G::Secret> },
    /// SMPSTATE_EXPECT3: Bob sent message 2.
    Expect3 { g3a: G::Element, g2: G::Element, g3: G::Element, b3: G::Secret, pb: G::Element, qb: G::Element },
    /// SMPSTATE_EXPECT4: Alice sent message 3. `a3` is that of the state before, shared because steps only borrow it.
    Expect4 { g3b: G::Element, pa_pb: G::Element, qa_qb: G::Element, a3: Arc<G::Secret> },
}

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SmpError {
    /// Not what this state waits for.
    #[error("not the SMP message that was expected")]
    Unexpected,
    /// No body of this message, or a field is not in the group.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A zero-knowledge proof does not hold, or values degenerate.
    #[error("an SMP proof does not hold")]
    Proof,
}

impl<G: Group> Smp<G> {
    /// "User requests to begin SMP", with SMP message 1. Whatever ran before is the caller's to abort.
    pub(crate) fn start(x: G::Secret, rng: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let (a2, a3) = (G::exponent(rng), G::exponent(rng));
        let generators = Generators::<G>::new(Prover::Alice, &a2, &a3, rng);
        let body = write_body::<G>(Generators::<G>::FIELDS, |w| generators.write(w));
        (Self(State::Expect2 { x, a2, a3: a3.into() }), body)
    }

    /// "Receiving a SMP Message 1", up to the point where the user has to answer.
    pub(crate) fn receive_1(&self, body: &[u8]) -> Result<Self, SmpError> {
        let State::Expect1 = &self.0 else { return Err(SmpError::Unexpected) };
        let theirs = read_body::<G, _>(Generators::<G>::FIELDS, body, Generators::<G>::read)?;
        theirs.verify(Prover::Alice)?;
        Ok(Self(State::Asked { g2a: theirs.g2, g3a: theirs.g3 }))
    }

    /// The rest of "Receiving a SMP Message 1": the user has answered; SMP message 2.
    pub(crate) fn answer(&self, y: G::Secret, rng: &mut dyn CryptoRng) -> Result<(Self, Vec<u8>), SmpError> {
        let State::Asked { g2a, g3a } = &self.0 else { return Err(SmpError::Unexpected) };
        let (b2, b3) = (G::exponent(rng), G::exponent(rng));
        let generators = Generators::<G>::new(Prover::Bob, &b2, &b3, rng);
        let (g2, g3) = common_generators::<G>((g2a, &b2), (g3a, &b3))?;
        let commitment = Commitment::<G>::new(Prover::Bob, &g2, &g3, &y, rng);
        let body = write_body::<G>(Generators::<G>::FIELDS + Commitment::<G>::FIELDS, |w| {
            generators.write(w);
            commitment.write(w);
        });
        let Commitment { p: pb, q: qb, .. } = commitment;
        Ok((Self(State::Expect3 { g3a: g3a.clone(), g2, g3, b3, pb, qb }), body))
    }

    /// "Receiving a SMP Message 2", and SMP message 3.
    pub(crate) fn receive_2(
        &self,
        body: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), SmpError> {
        let State::Expect2 { x, a2, a3 } = &self.0 else { return Err(SmpError::Unexpected) };
        let fields = Generators::<G>::FIELDS + Commitment::<G>::FIELDS;
        let (their_generators, theirs) =
            read_body::<G, _>(fields, body, |r| Ok((Generators::<G>::read(r)?, Commitment::<G>::read(r)?)))?;
        their_generators.verify(Prover::Bob)?;
        let Generators { g2: g2b, g3: g3b, .. } = their_generators;
        let (g2, g3) = common_generators::<G>((&g2b, a2), (&g3b, a3))?;
        theirs.verify(Prover::Bob, &g2, &g3)?;

        let ours = Commitment::<G>::new(Prover::Alice, &g2, &g3, x, rng);
        let (pa_pb, qa_qb) = differences(&ours, &theirs.p, &theirs.q)?;
        let comparison = Comparison::<G>::new(Prover::Alice, &qa_qb, a3, rng);
        let body = write_body::<G>(Commitment::<G>::FIELDS + Comparison::<G>::FIELDS, |w| {
            ours.write(w);
            comparison.write(w);
        });
        Ok((Self(State::Expect4 { g3b, pa_pb, qa_qb, a3: Arc::clone(a3) }), body))
    }

    /// "Receiving a SMP Message 3", and SMP message 4: whether the secrets are the same. The run is over with it.
    pub(crate) fn receive_3(
        &self,
        body: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(bool, Vec<u8>), SmpError> {
        let State::Expect3 { g3a, g2, g3, b3, pb, qb } = &self.0 else { return Err(SmpError::Unexpected) };
        let fields = Commitment::<G>::FIELDS + Comparison::<G>::FIELDS;
        let (theirs, comparison) =
            read_body::<G, _>(fields, body, |r| Ok((Commitment::<G>::read(r)?, Comparison::<G>::read(r)?)))?;
        let (pa_pb, qa_qb) = differences(&theirs, pb, qb)?;
        theirs.verify(Prover::Alice, g2, g3)?;
        comparison.verify(Prover::Alice, g3a, &qa_qb)?;

        // Rab = Ra * b3; x == y if Rab == Pa - Pb
        let equal = G::mul(&comparison.r, b3) == pa_pb;
        let comparison = Comparison::<G>::new(Prover::Bob, &qa_qb, b3, rng);
        Ok((equal, write_body::<G>(Comparison::<G>::FIELDS, |w| comparison.write(w))))
    }

    /// "Receiving a SMP Message 4": whether the secrets are the same. The run is over with it.
    pub(crate) fn receive_4(&self, body: &[u8]) -> Result<bool, SmpError> {
        let State::Expect4 { g3b, pa_pb, qa_qb, a3 } = &self.0 else { return Err(SmpError::Unexpected) };
        let comparison = read_body::<G, _>(Comparison::<G>::FIELDS, body, Comparison::<G>::read)?;
        comparison.verify(Prover::Bob, g3b, qa_qb)?;
        // Rab = Rb * a3; x == y if Rab == Pa - Pb
        Ok(G::mul(&comparison.r, a3) == *pa_pb)
    }

    /// Whether a run has begun and is not over.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.0, State::Expect1)
    }

    /// Whether our user has to answer.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.0, State::Asked { .. })
    }

    /// Whether message 3 was sent: from then on the other side may know the outcome.
    pub(crate) fn has_sent_3(&self) -> bool {
        matches!(self.0, State::Expect4 { .. })
    }

    /// One byte for the state and what it keeps; with secrets.
    pub(crate) fn save(&self, w: &mut Writer) {
        match &self.0 {
            State::Expect1 => _ = w.byte(0),
            State::Asked { g2a, g3a } => {
                w.byte(1);
                G::write_element(g2a, w);
                G::write_element(g3a, w);
            }
            State::Expect2 { x, a2, a3 } => {
                w.byte(2);
                G::write_secret(x, w);
                G::write_secret(a2, w);
                G::write_secret(a3, w);
            }
            State::Expect3 { g3a, g2, g3, b3, pb, qb } => {
                w.byte(3);
                G::write_element(g3a, w);
                G::write_element(g2, w);
                G::write_element(g3, w);
                G::write_secret(b3, w);
                G::write_element(pb, w);
                G::write_element(qb, w);
            }
            State::Expect4 { g3b, pa_pb, qa_qb, a3 } => {
                w.byte(4);
                G::write_element(g3b, w);
                G::write_element(pa_pb, w);
                G::write_element(qa_qb, w);
                G::write_secret(a3, w);
            }
        }
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(match r.byte("SMP state")? {
            0 => State::Expect1,
            1 => State::Asked { g2a: G::read_element(r, "G2a")?, g3a: G::read_element(r, "G3a")? },
            2 => State::Expect2 {
                x: G::read_secret(r, "x")?,
                a2: G::read_secret(r, "a2")?,
                a3: G::read_secret(r, "a3")?.into(),
            },
            3 => State::Expect3 {
                g3a: G::read_element(r, "G3a")?,
                g2: G::read_element(r, "G2")?,
                g3: G::read_element(r, "G3")?,
                b3: G::read_secret(r, "b3")?,
                pb: G::read_element(r, "Pb")?,
                qb: G::read_element(r, "Qb")?,
            },
            4 => State::Expect4 {
                g3b: G::read_element(r, "G3b")?,
                pa_pb: G::read_element(r, "Pa - Pb")?,
                qa_qb: G::read_element(r, "Qa - Qb")?,
                a3: G::read_secret(r, "a3")?.into(),
            },
            _ => return Err(WireError::Illegal("SMP state")),
        }))
    }
}

/// `G2 = G2b * a2` and `G3 = G3b * a3`, or the same with a and b exchanged; neither degenerates.
fn common_generators<G: Group>(
    (their_g2, our_2): (&G::Element, &G::Secret),
    (their_g3, our_3): (&G::Element, &G::Secret),
) -> Result<(G::Element, G::Element), SmpError> {
    both_sound::<G>(G::mul(their_g2, our_2), G::mul(their_g3, our_3))
}

/// `Pa - Pb` and `Qa - Qb`; neither degenerates. // spec-notes/SN-015
fn differences<G: Group>(
    a: &Commitment<G>,
    pb: &G::Element,
    qb: &G::Element,
) -> Result<(G::Element, G::Element), SmpError> {
    both_sound::<G>(G::sub(&a.p, pb), G::sub(&a.q, qb))
}

fn both_sound<G: Group>(a: G::Element, b: G::Element) -> Result<(G::Element, G::Element), SmpError> {
    if G::is_identity(&a) || G::is_identity(&b) { Err(SmpError::Proof) } else { Ok((a, b)) }
}

fn write_body<G: Group>(fields: u32, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    G::write_count(fields, &mut w);
    write(&mut w);
    w.finish()
}

fn read_body<'a, G: Group, T>(
    fields: u32,
    body: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let mut r = Reader::new(body);
    G::read_count(fields, &mut r)?;
    let read = read(&mut r)?;
    r.end()?;
    Ok(read)
}

impl<G: Group> Default for Smp<G> {
    fn default() -> Self {
        Self(State::Expect1)
    }
}

impl<G: Group> fmt::Debug for Smp<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            State::Expect1 => "Smp(Expect1)",
            State::Asked { g2a: _, g3a: _ } => "Smp(Asked)",
            State::Expect2 { x: _, a2: _, a3: _ } => "Smp(Expect2)",
            State::Expect3 { g3a: _, g2: _, g3: _, b3: _, pb: _, qb: _ } => "Smp(Expect3)",
            State::Expect4 { g3b: _, pa_pb: _, qa_qb: _, a3: _ } => "Smp(Expect4)",
        })
    }
}

/// A group of prime order in which discrete logarithms are hard, written additively as in the text of version 4, and
/// how its values look in the bodies of a version of OTR.
pub(crate) trait Group {
    /// An element; what was read is not the identity. Compared in constant time.
    type Element: Clone + PartialEq;
    /// A public number mod the order: the challenges and responses of the proofs.
    type Scalar: Copy + PartialEq;
    /// A secret number mod the order: wiped when dropped; all arithmetic with it takes constant time.
    type Secret;

    /// What stands before the fields of a body.
    fn write_count(fields: u32, w: &mut Writer);
    fn read_count(fields: u32, r: &mut Reader<'_>) -> Result<(), WireError>;

    fn write_element(element: &Self::Element, w: &mut Writer);
    /// Refuses what is not in the group, and the identity.
    fn read_element(r: &mut Reader<'_>, what: &'static str) -> Result<Self::Element, WireError>;

    fn write_scalar(scalar: Self::Scalar, w: &mut Writer);
    fn read_scalar(r: &mut Reader<'_>, what: &'static str) -> Result<Self::Scalar, WireError>;

    /// For saved state.
    fn write_secret(secret: &Self::Secret, w: &mut Writer);
    /// Refuses zero.
    fn read_secret(r: &mut Reader<'_>, what: &'static str) -> Result<Self::Secret, WireError>;

    /// A random exponent: `a2`, `a3`, `b2`, `b3`, `r4`.
    fn exponent(rng: &mut dyn CryptoRng) -> Self::Secret;
    /// The random number of a proof, uniform mod the order: `r2`, `r3`, `r5`, `r6`, `r7`.
    fn nonce(rng: &mut dyn CryptoRng) -> Self::Secret;

    /// `HashToScalar(i || elements)`
    fn hash_to_scalar(i: u8, elements: &[&Self::Element]) -> Self::Scalar;
    /// `r - a * c`, the response of a proof; spends its nonce.
    fn respond(r: Self::Secret, a: &Self::Secret, c: Self::Scalar) -> Self::Scalar;

    /// `G * k`
    fn mul_base(k: &Self::Secret) -> Self::Element;
    /// `A * k`
    fn mul(a: &Self::Element, k: &Self::Secret) -> Self::Element;
    /// `G * r + A * k`
    fn commit(r: &Self::Secret, a: &Self::Element, k: &Self::Secret) -> Self::Element;
    /// `A - B`
    fn sub(a: &Self::Element, b: &Self::Element) -> Self::Element;
    fn is_identity(a: &Self::Element) -> bool;

    /// `G * d + A1 * c1 + A2 * c2 …` in variable time, for public values.
    fn combine(d: Self::Scalar, terms: &[(Self::Scalar, &Self::Element)]) -> Self::Element;
    /// `A1 * c1 + A2 * c2 …` in variable time, for public values.
    fn sum_of_products(terms: &[(Self::Scalar, &Self::Element)]) -> Self::Element;
}
