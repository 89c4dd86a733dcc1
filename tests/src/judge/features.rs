//! What no rule says anything about, in numbers: how many, how long, how fast, how even. The learner finds out which of them differ.

use super::look::{Data, Look, Message};
use super::readable::Plain;
use super::record::Keys;

/// Names and values, the same names in the same order for every transcript.
pub(crate) fn features(look: &Look<'_>, keys: &Keys) -> Vec<(String, f64)> {
    let mut all = Features(Vec::new());
    counts(&mut all, look);
    times(&mut all, look);
    ratchets(&mut all, look);
    reveals(&mut all, look);
    bytes(&mut all, look, keys);
    texts(&mut all, look);
    all.0
}

struct Features(Vec<(String, f64)>);

impl Features {
    fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    /// Mean, deviation, least and greatest.
    fn spread(&mut self, name: &str, values: &[f64]) {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        self.add(format!("{name}: mean"), mean);
        self.add(format!("{name}: deviation"), variance.sqrt());
        self.add(format!("{name}: least"), values.iter().copied().reduce(f64::min).unwrap_or_default());
        self.add(format!("{name}: greatest"), values.iter().copied().reduce(f64::max).unwrap_or_default());
    }
}

/// Lines by kind and side, pieces, what was lost.
fn counts(all: &mut Features, look: &Look<'_>) {
    all.add("lines", look.lines.len() as f64);
    all.add("pieces", look.pieces as f64);
    all.add("lost", look.lines.iter().filter(|line| line.received.is_none()).count() as f64);
    for side in 0..2 {
        let of = |is: &dyn Fn(&Message) -> bool| {
            look.messages.iter().filter(|message| message.sender == side && is(message)).count() as f64
        };
        for name in ["Query message", "Identity message", "Auth-R message", "Error message"] {
            all.add(format!("{name} of {side}"), of(&|message| message.is(name)));
        }
        all.add(
            format!("texts of {side}"),
            of(&|message| message.data.as_ref().is_some_and(|data| !data.quiet)),
        );
        all.add(
            format!("quiet ones of {side}"),
            of(&|message| message.data.as_ref().is_some_and(|data| data.quiet)),
        );
    }
    let first = look.messages.first().map_or(0.0, |message| message.sender as f64);
    let last = look.messages.last();
    all.add("who is first", first);
    all.add("who is last", last.map_or(0.0, |message| message.sender as f64));
    all.add(
        "the last is quiet",
        f64::from(u8::from(last.and_then(|m| m.data.as_ref()).is_some_and(|data| data.quiet))),
    );
}

/// Delays, pauses, crossings, and what shares a second with what.
fn times(all: &mut Features, look: &Look<'_>) {
    let arrived = |line: &super::record::Line| Some(line.received?.saturating_sub(line.at) as f64);
    let delays: Vec<f64> = look.lines.iter().filter_map(arrived).collect();
    all.spread("delay", &delays);
    all.add("arrives at once", delays.iter().filter(|delay| **delay < 0.5).count() as f64);
    let log = |from: i64, to: i64| (to.saturating_sub(from).max(0) as f64).ln_1p();
    let gaps: Vec<f64> = look.messages.windows(2).map(|pair| log(pair[0].at, pair[1].at)).collect();
    all.spread("log of pauses", &gaps);
    let ends =
        [look.messages.first(), look.messages.last()].map(|message| message.map_or(0, |message| message.at));
    all.add("log of all", log(ends[0], ends[1]));
    let first_data = look.data().next().map_or(ends[0], |(_, message, _)| message.at);
    all.add("log of handshake", log(ends[0], first_data));
    for period in [2, 3, 5, 10, 60] {
        let phase = look.messages.iter().map(|message| message.at.rem_euclid(period) as f64);
        all.add(format!("second modulo {period}"), phase.sum::<f64>() / look.messages.len().max(1) as f64);
    }
    // Pairs of neighbours by how their times meet.
    let (mut crossed, mut answered_at_once, mut same_second, mut sent_while_receiving) = (0.0, 0.0, 0.0, 0.0);
    for pair in look.messages.windows(2) {
        let [one, other] = pair else { continue };
        if one.at == other.at {
            same_second += 1.0;
        }
        if one.sender != other.sender {
            crossed += f64::from(u8::from(one.received.is_none_or(|received| received > other.at)));
            answered_at_once += f64::from(u8::from(one.received == Some(other.at)));
        }
    }
    // What was sent in the very second in which something arrived, without being an answer to it.
    for (_, message, data) in look.data().filter(|(_, _, data)| data.j > 0 && !data.quiet) {
        let meanwhile = look.data().filter(|(_, other, of)| {
            other.sender != message.sender && other.received == Some(message.at) && of.i + 1 > data.i
        });
        sent_while_receiving += meanwhile.count() as f64;
    }
    let overtaken = (0..2).map(|side| {
        let sent = look.messages.iter().filter(|message| message.sender == side);
        let arrivals: Vec<i64> = sent.filter_map(|message| message.received).collect();
        arrivals.windows(2).filter(|pair| pair[0] > pair[1]).count()
    });
    all.add("overtaken", overtaken.sum::<usize>() as f64);
    all.add("crossed", crossed);
    all.add("answered in the second of arrival", answered_at_once);
    all.add("in the same second", same_second);
    all.add("sent in the second of an arrival, not answering it", sent_while_receiving);
    // Heartbeats: how long after the last message of the same side.
    let mut waits = Vec::new();
    for (at, message, _) in look.data().filter(|(_, _, data)| data.quiet) {
        let before = look.messages[..at].iter().rev().find(|other| other.sender == message.sender);
        waits.extend(before.map(|before| log(before.at, message.at)));
    }
    all.spread("log of silence before a quiet one", &waits);
}

/// `i`, `j`, `pn`, and how often a side goes on.
fn ratchets(all: &mut Features, look: &Look<'_>) {
    for side in 0..2 {
        let of = |value: &dyn Fn(&Data) -> u64| {
            look.data()
                .filter(|(_, message, _)| message.sender == side)
                .map(|(_, _, data)| value(data) as f64)
                .collect::<Vec<f64>>()
        };
        all.spread(&format!("i of {side}"), &of(&|data| data.i));
        all.spread(&format!("j of {side}"), &of(&|data| data.j));
        all.spread(&format!("pn of {side}"), &of(&|data| data.pn));
    }
}

/// MAC keys: how many, with what, and how many remain.
fn reveals(all: &mut Features, look: &Look<'_>) {
    for side in 0..2 {
        let keys: Vec<f64> = look
            .data()
            .filter(|(_, message, _)| message.sender == side)
            .map(|(_, _, data)| data.revealed.len() as f64)
            .collect();
        let arrived =
            look.data().filter(|(_, message, _)| message.sender != side && message.received.is_some());
        all.add(format!("keys not revealed by {side}"), arrived.count() as f64 - keys.iter().sum::<f64>());
        all.spread(&format!("keys revealed by {side} at once"), &keys);
    }
}

/// Whether bytes are as even as chance makes them, and lengths as programs make them.
fn bytes(all: &mut Features, look: &Look<'_>, keys: &Keys) {
    let lengths: Vec<f64> = look.messages.iter().map(|message| message.line.len() as f64).collect();
    all.spread("length", &lengths);
    let lengths: Vec<f64> = look.data().map(|(_, _, data)| data.ciphertext.len() as f64).collect();
    all.spread("length of ciphertexts", &lengths);
    let in_class = look.data().filter(|(_, _, data)| data.ciphertext.len().is_power_of_two());
    all.add("ciphertexts of a padding class", in_class.count() as f64);
    let together = |part: &dyn Fn(&Data) -> Vec<u8>| {
        look.data().flat_map(|(_, _, data)| part(data)).collect::<Vec<u8>>()
    };
    evenness(all, "ciphertexts", &together(&|data| data.ciphertext.clone()));
    evenness(all, "authenticators", &together(&|data| data.mac.clone()));
    evenness(all, "MAC keys", &together(&|data| data.revealed.concat()));
    evenness(all, "ECDH keys", &together(&|data| data.ecdh[..56].to_vec()));
    evenness(all, "DH keys", &together(&|data| data.dh.clone()));
    // By its place in the ring: does what belongs to the signer look different?
    for (place, number) in ["c1", "r1", "c2", "r2", "c3", "r3"].iter().enumerate() {
        for message in ["Auth-R message", "Auth-I message", "Non-Interactive-Auth message"] {
            let signed = look.messages.iter().rfind(|m| m.is(message)).and_then(Message::ring_signature);
            let top =
                signed.map_or(0.0, |numbers| numbers[place].get(TOP).map_or(0.0, |byte| f64::from(*byte)));
            all.add(format!("top of {number} in {message}"), top);
        }
    }
    let tops = keys.accounts.each_ref().map(|account| {
        let nonces = look.messages.iter().flat_map(|message| message.nonces(account));
        nonces.map(|nonce| f64::from(nonce[TOP])).collect::<Vec<_>>()
    });
    all.spread("top of nonces of 0", &tops[0]);
    all.spread("top of nonces of 1", &tops[1]);
}

/// Of what the messages say, as far as that is shown: how long texts are, and what stands behind them.
fn texts(all: &mut Features, look: &Look<'_>) {
    for side in 0..2 {
        let of = |value: &dyn Fn(&Plain) -> usize| {
            let plain = look.data().filter(|(_, message, _)| message.sender == side);
            plain.filter_map(|(_, _, data)| Some(value(data.plain.as_ref()?) as f64)).collect::<Vec<f64>>()
        };
        all.spread(&format!("length of texts of {side}"), &of(&|plain| plain.text.len()));
        all.spread(&format!("records of {side}"), &of(&|plain| plain.records.len()));
        all.spread(&format!("padding of {side}"), &of(&Plain::padding));
    }
    let shown = look.data().filter(|(_, _, data)| data.plain.is_some()).count();
    let arrived = look.data().filter(|(_, message, _)| message.received.is_some()).count();
    all.add("arrived, and cannot be read", arrived as f64 - shown as f64);
}

/// The greatest byte of a number below the order of the curve.
const TOP: usize = 55;

/// Chi-square over the high halves of bytes, per degree of freedom; bits that are set; and neighbours that are equal.
fn evenness(all: &mut Features, name: &str, bytes: &[u8]) {
    let count = bytes.len().max(1) as f64;
    let mut cells = [0.0; 16];
    bytes.iter().for_each(|byte| cells[usize::from(byte >> 4)] += 1.0);
    let expected = count / 16.0;
    let chi_square = cells.iter().map(|cell| (cell - expected).powi(2) / expected).sum::<f64>() / 15.0;
    all.add(format!("chi-square of {name}"), if bytes.is_empty() { 1.0 } else { chi_square });
    let bits = bytes.iter().map(|byte| f64::from(byte.count_ones())).sum::<f64>() / count;
    all.add(format!("bits of {name}"), if bytes.is_empty() { 4.0 } else { bits });
    let equal = bytes.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
    all.add(format!("equal neighbours in {name}"), equal * 256.0 / count);
}
