//! What the four messages are put together from: message 1 is [`Generators`], message 2 [`Generators`] and
//! [`Commitment`], message 3 [`Commitment`] and [`Comparison`], message 4 [`Comparison`]. Each has its proof with it.
//! Spec: otrv4.md "SMP Overview", "The SMP State Machine". Used by the steps in [`super`].

use rand_core::CryptoRng;

use super::{Group, SmpError};
use crate::wire::{Reader, WireError, Writer};

/// Who proves: the hashes of both are numbered apart, so that no proof can be sent back to its maker.
#[derive(Clone, Copy)]
pub(super) enum Prover {
    /// She began.
    Alice,
    /// He was asked.
    Bob,
}

/// One side's half of the two exchanges that give G2 and G3: `G2a, c2, d2, G3a, c3, d3`, or the same with b. Proves
/// that both exponents are known.
pub(super) struct Generators<G: Group> {
    pub(super) g2: G::Element,
    c2: G::Scalar,
    d2: G::Scalar,
    pub(super) g3: G::Element,
    c3: G::Scalar,
    d3: G::Scalar,
}

impl<G: Group> Generators<G> {
    pub(super) const FIELDS: u32 = 6;

    /// Of the exponents `a2` and `a3`.
    pub(super) fn new(prover: Prover, a2: &G::Secret, a3: &G::Secret, rng: &mut dyn CryptoRng) -> Self {
        let (r2, r3) = (G::nonce(rng), G::nonce(rng));
        let c2 = G::hash_to_scalar(prover.c2(), &[&G::mul_base(&r2)]);
        let c3 = G::hash_to_scalar(prover.c3(), &[&G::mul_base(&r3)]);
        Self {
            g2: G::mul_base(a2),
            c2,
            d2: G::respond(r2, a2, c2),
            g3: G::mul_base(a3),
            c3,
            d3: G::respond(r3, a3, c3),
        }
    }

    /// `c2 == HashToScalar(0x01 || G * d2 + G2a * c2)` and `c3 == HashToScalar(0x02 || G * d3 + G3a * c3)`
    pub(super) fn verify(&self, prover: Prover) -> Result<(), SmpError> {
        let Self { g2, c2, d2, g3, c3, d3 } = self;
        holds(*c2 == G::hash_to_scalar(prover.c2(), &[&G::combine(*d2, &[(*c2, g2)])]))?;
        holds(*c3 == G::hash_to_scalar(prover.c3(), &[&G::combine(*d3, &[(*c3, g3)])]))
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            g2: G::read_element(r, "SMP half of G2")?,
            c2: G::read_scalar(r, "SMP c2")?,
            d2: G::read_scalar(r, "SMP d2")?,
            g3: G::read_element(r, "SMP half of G3")?,
            c3: G::read_scalar(r, "SMP c3")?,
            d3: G::read_scalar(r, "SMP d3")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        let Self { g2, c2, d2, g3, c3, d3 } = self;
        G::write_element(g2, w);
        G::write_scalar(*c2, w);
        G::write_scalar(*d2, w);
        G::write_element(g3, w);
        G::write_scalar(*c3, w);
        G::write_scalar(*d3, w);
    }
}

/// One side's secret, hidden: `Pa, Qa, cp, d5, d6`, or the same with b. Proves that it was made as the text says.
pub(super) struct Commitment<G: Group> {
    pub(super) p: G::Element,
    pub(super) q: G::Element,
    cp: G::Scalar,
    d5: G::Scalar,
    d6: G::Scalar,
}

impl<G: Group> Commitment<G> {
    pub(super) const FIELDS: u32 = 5;

    /// To the secret `x`.
    pub(super) fn new(
        prover: Prover,
        g2: &G::Element,
        g3: &G::Element,
        x: &G::Secret,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let (r4, r5, r6) = (G::exponent(rng), G::nonce(rng), G::nonce(rng));
        let cp = G::hash_to_scalar(prover.cp(), &[&G::mul(g3, &r5), &G::commit(&r5, g2, &r6)]);
        Self {
            p: G::mul(g3, &r4),
            q: G::commit(&r4, g2, x),
            cp,
            d5: G::respond(r5, &r4, cp),
            d6: G::respond(r6, x, cp),
        }
    }

    /// `cp == HashToScalar(0x06 || G3 * d5 + Pa * cp || G * d5 + G2 * d6 + Qa * cp)`
    pub(super) fn verify(&self, prover: Prover, g2: &G::Element, g3: &G::Element) -> Result<(), SmpError> {
        let Self { p, q, cp, d5, d6 } = self;
        let first = G::sum_of_products(&[(*d5, g3), (*cp, p)]);
        let second = G::combine(*d5, &[(*d6, g2), (*cp, q)]);
        holds(*cp == G::hash_to_scalar(prover.cp(), &[&first, &second]))
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            p: G::read_element(r, "SMP P")?,
            q: G::read_element(r, "SMP Q")?,
            cp: G::read_scalar(r, "SMP cp")?,
            d5: G::read_scalar(r, "SMP d5")?,
            d6: G::read_scalar(r, "SMP d6")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        let Self { p, q, cp, d5, d6 } = self;
        G::write_element(p, w);
        G::write_element(q, w);
        G::write_scalar(*cp, w);
        G::write_scalar(*d5, w);
        G::write_scalar(*d6, w);
    }
}

/// One side's value for the final comparison: `Ra, cr, d7`, or the same with b. Proves that its exponent is that
/// of G3a.
pub(super) struct Comparison<G: Group> {
    pub(super) r: G::Element,
    cr: G::Scalar,
    d7: G::Scalar,
}

impl<G: Group> Comparison<G> {
    pub(super) const FIELDS: u32 = 3;

    /// `Ra = (Qa - Qb) * a3`
    pub(super) fn new(prover: Prover, qa_qb: &G::Element, a3: &G::Secret, rng: &mut dyn CryptoRng) -> Self {
        let r7 = G::nonce(rng);
        let cr = G::hash_to_scalar(prover.cr(), &[&G::mul_base(&r7), &G::mul(qa_qb, &r7)]);
        Self { r: G::mul(qa_qb, a3), cr, d7: G::respond(r7, a3, cr) }
    }

    /// `cr == HashToScalar(0x07 || G * d7 + G3a * cr || (Qa - Qb) * d7 + Ra * cr)`
    pub(super) fn verify(
        &self,
        prover: Prover,
        g3a: &G::Element,
        qa_qb: &G::Element,
    ) -> Result<(), SmpError> {
        let Self { r, cr, d7 } = self;
        let first = G::combine(*d7, &[(*cr, g3a)]);
        let second = G::sum_of_products(&[(*d7, qa_qb), (*cr, r)]);
        holds(*cr == G::hash_to_scalar(prover.cr(), &[&first, &second]))
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            r: G::read_element(r, "SMP R")?,
            cr: G::read_scalar(r, "SMP cr")?,
            d7: G::read_scalar(r, "SMP d7")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        let Self { r, cr, d7 } = self;
        G::write_element(r, w);
        G::write_scalar(*cr, w);
        G::write_scalar(*d7, w);
    }
}

/// The integers of HashToScalar. otrv4.md "SMP Hash Function"
impl Prover {
    const fn c2(self) -> u8 {
        match self {
            Self::Alice => 1,
            Self::Bob => 3,
        }
    }

    const fn c3(self) -> u8 {
        match self {
            Self::Alice => 2,
            Self::Bob => 4,
        }
    }

    const fn cp(self) -> u8 {
        match self {
            Self::Alice => 6,
            Self::Bob => 5,
        }
    }

    const fn cr(self) -> u8 {
        match self {
            Self::Alice => 7,
            Self::Bob => 8,
        }
    }
}

fn holds(proof: bool) -> Result<(), SmpError> {
    if proof { Ok(()) } else { Err(SmpError::Proof) }
}
