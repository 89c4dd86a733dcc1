//! The places where a branch or an address depends on what was computed from a secret, and may.

use crate::report::Finding;

/// Why a finding is none.
pub struct Explanation {
    /// What stands on lines of the stack, the innermost first. The first of them is where it happens: below it there may
    /// only be functions that hand a choice on, so that no line excuses what it calls.
    pub lines: &'static [&'static str],
    /// Which public value it is, or which exception.
    pub why: &'static str,
}

/// The explanation of a finding, if it has one.
pub fn of(finding: &Finding) -> Option<&'static Explanation> {
    EXPLAINED.iter().find(|explanation| explanation.fits(finding))
}

/// Those that fit none of these findings: something has changed, and they must go before they excuse something else.
pub fn that_fit_none<'a>(findings: &'a [Finding]) -> impl Iterator<Item = &'static Explanation> + 'a {
    EXPLAINED.iter().filter(|explanation| !findings.iter().any(|finding| explanation.fits(finding)))
}

impl Explanation {
    fn fits(&self, finding: &Finding) -> bool {
        let mut stack = finding.stack.iter().filter(|frame| !frame.hands_on);
        let (first, rest) = self.lines.split_first().expect("a line at least");
        if !stack.next().is_some_and(|frame| stands(first, &frame.source)) {
            return false;
        }
        // A brace is everywhere: it is the one that is called from there.
        match (*first, rest) {
            ("}", [caller]) => stack.next().is_some_and(|frame| stands(caller, &frame.source)),
            _ => rest.iter().all(|line| stack.any(|frame| stands(line, &frame.source))),
        }
    }
}

/// A brace alone is one that is alone.
fn stands(line: &str, source: &str) -> bool {
    source == line || (line != "}" && source.contains(line))
}

const fn because(why: &'static str, lines: &'static [&'static str]) -> Explanation {
    Explanation { lines, why }
}

const EXPLAINED: &[Explanation] = &[
    // What is decided by a secret and public all the same.
    because("the key is in the ring, at whatever place", &["if (!(own1 | own2 | own3)).into()"]),
    because("a signature holds or not", &["if !ring::verify(RingUse::Otr"]),
    because("a signature holds or not", &["match answer.verify(auth_i)"]),
    because("a MAC is right or not", &["if !mac_key.verify(self.sections, &self.authenticator)"]),
    because("a MAC is right or not", &["if !auth_mac(&tmp_k, &t).matches(&self.auth_mac)"]),
    because("a proof of SMP holds or not, for values that both sides have", &["theirs.verify(Prover::"]),
    because("a proof of SMP holds or not, for values that both sides have", &["comparison.verify(Prover::"]),
    because(
        "SMP ends where values degenerate, as the text says",
        &["if G::is_identity(&a) || G::is_identity(&b)"],
    ),
    because("the result of SMP", &["element: ConstMontyForm<M, LIMBS>,", "== pa_pb;"]),
    because("the result of SMP", &["element: ConstMontyForm<M, LIMBS>,", "== *pa_pb)"]),
    because(
        "a MAC is right or not: what was computed for it is dropped, or has gone into the conversation",
        &["}", "let established = message.receive(self.us(cx.account), &ours, cx.now)?;"],
    ),
    because("a message that is sent, and its length", &["message[..usize::from_ne_bytes(length)].to_vec()"]),
    because("P and Q of both sides were sent", &["if VARTIME && g.is_zero_vartime()", "a.divided_by(b)"]),
    because(
        "P and Q of both sides were sent",
        &["if (g & 1) != 0 {", "jump_step_vartime(", "a.divided_by(b)"],
    ),
    because("P and Q of both sides were sent", &["invert_vartime().into_option()", "a.divided_by(b)"]),
    because("a saved number is below q and not zero", &["if is_below_q && !bool::from(read.0.is_zero())"]),
    because(
        "zero is no secret: refused when it is read",
        &["(!bool::from(secret.0.is_zero())).then_some(secret)"],
    ),
    because("zero is no secret: refused when it is read", &["if in_range { Ok(secret) }"]),
    because(
        "x is above 0 and below q: checked when a key is loaded",
        &["(number > U192::ZERO && number < *self.q.as_ref())"],
    ),
    because(
        "x and y belong together: checked when a key is loaded",
        &["if public.power_of_g(&number) == *y"],
    ),
    because(
        "a nonce of 0 is drawn again, which never happens",
        &["k.invert_odd_mod(&self.public.q).into_option()?"],
    ),
    because("r and s are the signature", &["if r == U192::ZERO || s == U192::ZERO"]),
    because(
        "a check for an overflow that numbers below q do not have: it never fails",
        &[".expect(\"attempted to add with overflow\")", "let if_odd = self.scalar + *ORDER;"],
    ),
    // What is computed from a secret and sent.
    because("what is sent is encoded", &["BASE64_STANDARD.encode(binary)"]),
    because(
        "the length of a Diffie-Hellman result of SMP, spec-notes/SN-012",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "both_sound::<G>(G::mul("],
    ),
    because(
        "the length of a Diffie-Hellman result of SMP, spec-notes/SN-012",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "== pa_pb;"],
    ),
    because(
        "the length of a Diffie-Hellman result of SMP, spec-notes/SN-012",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "== *pa_pb)"],
    ),
    because(
        "a public number is written without leading zeros",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "::of(*COMB.power("],
    ),
    because(
        "a number that SMP sends, or two such divided",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "g2: G::mul_base(a2),"],
    ),
    because(
        "a number that SMP sends, or two such divided",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "g3: G::mul_base(a3),"],
    ),
    because(
        "a number that SMP sends, or two such divided",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "p: G::mul(g3, &r4),"],
    ),
    because(
        "a number that SMP sends, or two such divided",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "q: G::commit(&r4, g2, x),"],
    ),
    because(
        "a number that SMP sends, or two such divided",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "Self { r: G::mul(qa_qb, a3)"],
    ),
    because(
        "a number that SMP sends, or two such divided",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "a.divided_by(b)"],
    ),
    because(
        "a number that whoever checks a proof of SMP computes",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "= G::hash_to_scalar(prover."],
    ),
    because(
        "a number that whoever checks a proof of SMP computes",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "= G::sum_of_products(&["],
    ),
    because(
        "a number that whoever checks a proof of SMP computes",
        &["take_while(|byte| **byte == 0)", "bytes: minimal_bytes(&element)", "= G::combine(*d5,"],
    ),
    because("a public number is written without leading zeros", &["w.mpi(&self.bytes)"]),
    because(
        "a public number is written without leading zeros",
        &["w.mpi(self.0.to_be_bytes().as_ref())", "scalar.write(w);"],
    ),
    because("a prekey message and its length are public", &["dh: r.mpi(DH_KEY)?.into()"]),
    // What SECURITY.md names as an exception.
    because(
        "the length of a Diffie-Hellman result, spec-notes/SN-012",
        &["take_while(|byte| **byte == 0)", "minimal_bytes(&Zeroizing::new("],
    ),
    because(
        "a text that has been opened is split and shown",
        &["let text = parts.next().unwrap_or_default();"],
    ),
    because(
        "a text that has been opened is split and shown",
        &["String::from_utf8_lossy(text).into_owned()"],
    ),
    because(
        "white space around a typed secret",
        &["_ if secret.trim().is_empty() => Err(Refused::EmptySecret)"],
    ),
];
