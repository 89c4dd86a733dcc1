//! What somebody can do to a line or a message: to one of its fields, to all of it, or to its armour. Used by the targets
//! with conversations and by [`super::prekeys`].

use arbitrary::{Result, Unstructured};
use otrv4::wire::{InstanceTag, Line, armour, classify, cut};

use super::grammar::{Field, Kind, bad_points, fields, plus_order_2};

/// A line like that one, or pieces of it.
pub(super) fn lines(u: &mut Unstructured<'_>, line: &str, others: &[String]) -> Result<Vec<String>> {
    let Line::Encoded(Ok(mut bytes)) = classify(line) else { return Ok(vec![text(u, line)?]) };
    let others: Vec<Vec<u8>> = others.iter().filter_map(|line| encoded(line)).collect();
    for _ in 0..u.int_in_range(1..=2u8)? {
        message(u, &mut bytes, fields, &others)?;
    }
    let line = armour(&bytes);
    match u.int_in_range(0..=9u8)? {
        0 => Ok(vec![text(u, &line)?]),
        1 => pieces(u, &line),
        _ => Ok(vec![line]),
    }
}

/// The bytes of a line that is an encoded message.
pub(super) fn encoded(line: &str) -> Option<Vec<u8>> {
    match classify(line) {
        Line::Encoded(message) => message.ok(),
        _ => None,
    }
}

/// Changes one field of a message.
pub(super) fn message(
    u: &mut Unstructured<'_>,
    message: &mut Vec<u8>,
    fields: impl Fn(&[u8]) -> Vec<Field>,
    others: &[Vec<u8>],
) -> Result<()> {
    let before = fields(message);
    if before.is_empty() {
        return Ok(());
    }
    // What authenticates a message stands near its end; a profile before it has so many fields that it came seldom.
    let behind = before.len().saturating_sub(3);
    let which = match u.ratio(1u8, 4u8)? {
        true => behind + u.choose_index(before.len() - behind)?,
        false => u.choose_index(before.len())?,
    };
    let Field { kind, at } = before[which].clone();
    let field = message[at.clone()].to_vec();
    let new = match u.int_in_range(0..=9u8)? {
        0 => flipped(u, field)?,
        1 => vec![0; field.len()],
        2 => vec![0xff; field.len()],
        3 => near(u, field)?,
        4 => replaced(u, kind, field.len())?,
        5 => Vec::new(),
        6 => [field.as_slice(), &field].concat(),
        // The same field of another message, or another one.
        7 if !others.is_empty() => {
            let other = u.choose(others)?;
            let theirs = fields(other);
            let which = if u.ratio(7u8, 8u8)? { which } else { usize::from(u.arbitrary::<u8>()?) };
            theirs.get(which).map(|field| other[field.at.clone()].to_vec()).unwrap_or(field)
        }
        8 if matches!(kind, Kind::Point | Kind::Bytes) && field.len() == 57 => bad_point(u, &field)?,
        _ => {
            message.truncate(at.end);
            return Ok(());
        }
    };
    message.splice(at, new);
    Ok(())
}

fn flipped(u: &mut Unstructured<'_>, mut field: Vec<u8>) -> Result<Vec<u8>> {
    if !field.is_empty() {
        let at = u.choose_index(field.len())?;
        field[at] ^= 1 << u.int_in_range(0..=7u8)?;
    }
    Ok(field)
}

/// Something in a point's place that is none of the prime-order group, or another encoding of one.
pub(super) fn bad_point(u: &mut Unstructured<'_>, field: &[u8]) -> Result<Vec<u8>> {
    let mut points = bad_points();
    points.push(plus_order_2(field));
    Ok(u.choose(&points)?.clone())
}

/// A number a little above or below; of the other kinds, their length or their first bytes.
fn near(u: &mut Unstructured<'_>, mut field: Vec<u8>) -> Result<Vec<u8>> {
    let by = u.int_in_range(-3..=3i64)?;
    let length = field.len().min(8);
    let number = field[..length].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let number = number.wrapping_add_signed(by).to_be_bytes();
    field[..length].copy_from_slice(&number[8 - length..]);
    Ok(field)
}

/// Other bytes of the same shape.
fn replaced(u: &mut Unstructured<'_>, kind: Kind, length: usize) -> Result<Vec<u8>> {
    let bytes = |u: &mut Unstructured<'_>, length: usize| u.bytes(length.min(u.len())).map(<[u8]>::to_vec);
    match kind {
        Kind::Number | Kind::Point | Kind::Bytes | Kind::Rest => {
            let mut new = bytes(u, length)?;
            new.resize(length, 0);
            Ok(new)
        }
        Kind::Mpi | Kind::Data => {
            let length = u.int_in_range(0..=400)?;
            let value = bytes(u, length)?;
            let claimed = u32::try_from(value.len()).expect("short");
            let claimed = if u.ratio(1u8, 4u8)? { u.arbitrary()? } else { claimed };
            Ok([claimed.to_be_bytes().as_slice(), &value].concat())
        }
    }
}

/// A text with something in it, without something, or in markup.
fn text(u: &mut Unstructured<'_>, line: &str) -> Result<String> {
    let mut text: Vec<char> = line.chars().collect();
    let at = u.int_in_range(0..=text.len())?;
    match u.int_in_range(0..=4u8)? {
        0 => text.truncate(at),
        1 => _ = text.drain(..at),
        2 => text.insert(at, *u.choose(&['.', ',', '?', ' ', '\t', '=', 'A', '\0', '\u{e9}'])?),
        3 => return Ok(format!("<p>{line}</p>")),
        _ => {
            let some = String::from_utf8_lossy(u.bytes(u.len().min(20))?).into_owned();
            text.splice(at..at, some.chars());
        }
    }
    Ok(text.into_iter().collect())
}

/// The line in fragments of its sender, some lost, some twice, in any order.
fn pieces(u: &mut Unstructured<'_>, line: &str) -> Result<Vec<String>> {
    let sender = InstanceTag::new(u.int_in_range(0x100..=0x1ff)?).expect("no reserved tag");
    let Ok(pieces) = cut(line, u.int_in_range(100..=400)?, u.arbitrary()?, sender, None) else {
        return Ok(vec![line.into()]);
    };
    (0..pieces.len())
        .map(|at| Ok(if u.ratio(7u8, 8u8)? { pieces[at].clone() } else { u.choose(&pieces)?.clone() }))
        .collect()
}
