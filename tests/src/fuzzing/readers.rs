//! Every reader of bytes: what it takes is written again as the same bytes, and has no other encoding. Messages of all
//! versions, of the prekey protocol, profiles, prekeys, plaintexts.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use otrv4::client_profile::ClientProfile;
use otrv4::inside::{rewrite, rewrite_request};
use otrv4::prekey::{PrekeyEnsemble, PrekeyMessage};
use otrv4::prekey_profile::PrekeyProfile;
use otrv4::prekey_server::read_ensembles;
use otrv4::wire::{
    InstanceTag, Padding, Reader, Versions, WireError, Writer, read_plaintext, tlv_type, write_plaintext,
};

use super::grammar::{Field, Kind, fields, is_canonical, plus_order_2, prekey_fields};
use super::{mutation, seeds};
use crate::START;

/// The first byte of the input names the reader, the rest is what it reads.
pub(super) fn run(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    match *which {
        MESSAGE => message(bytes),
        REQUEST => request(bytes),
        CLIENT_PROFILE => client_profile(bytes),
        PREKEY_PROFILE => prekey_profile(bytes),
        PREKEY_MESSAGE => prekey_message(bytes),
        ENSEMBLE => ensemble(bytes),
        ENSEMBLES => ensembles(bytes),
        PLAINTEXT => plaintext(bytes),
        NUMBERS => numbers(bytes),
        CHANGED => _ = changed(&mut Unstructured::new(bytes)),
        _ => {}
    }
}

fn message(bytes: &[u8]) {
    let Ok(written) = rewrite(bytes) else { return };
    assert_is_only_form(bytes, &fields(bytes), |bytes| rewrite(bytes).is_ok());
    assert_same(bytes, written, |bytes| rewrite(bytes).ok().flatten());
}

fn request(bytes: &[u8]) {
    let Ok(written) = rewrite_request(bytes) else { return };
    assert_is_only_form(bytes, &prekey_fields(bytes), |bytes| rewrite_request(bytes).is_ok());
    assert_same(bytes, written, |bytes| rewrite_request(bytes).ok().flatten());
}

/// A message that is taken has no other form, and with a point plus the one of order 2 in the place of one of its points it is
/// refused.
fn assert_is_only_form(bytes: &[u8], fields: &[Field], is_taken: impl Fn(&[u8]) -> bool) {
    assert!(is_canonical(bytes, fields), "another encoding of the same message");
    if let Some(point) = fields.iter().find(|field| field.kind == Kind::Point) {
        let mut other = bytes.to_vec();
        other.splice(point.at.clone(), plus_order_2(&bytes[point.at.clone()]));
        assert!(!is_taken(&other), "a point outside the prime-order group");
    }
}

/// Splits a message into its fields.
type Grammar = fn(&[u8]) -> Vec<Field>;

/// A real message with some fields changed: choices find one of which all is right but a point sooner than changed bytes do.
fn changed(u: &mut Unstructured<'_>) -> Result<(), arbitrary::Error> {
    static REAL: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(|| [MESSAGE, REQUEST].map(seeds::for_reader));
    let is_request = u.ratio(1u8, 4u8)?;
    let (split, check): (Grammar, fn(&[u8])) = match is_request {
        true => (prekey_fields, request),
        false => (fields, message),
    };
    let real = &REAL[usize::from(is_request)];
    let mut bytes = u.choose(real)?.clone();
    let points: Vec<Field> = split(&bytes).into_iter().filter(|field| field.kind == Kind::Point).collect();
    if !points.is_empty() && u.ratio(1u8, 2u8)? {
        let Field { at, .. } = u.choose(&points)?.clone();
        let bad = mutation::bad_point(u, &bytes[at.clone()])?;
        bytes.splice(at, bad);
    } else {
        for _ in 0..u.int_in_range(1..=2u8)? {
            mutation::message(u, &mut bytes, split, real)?;
        }
    }
    check(&bytes);
    Ok(())
}

/// A message is written as it was read. Only scalars may be written as other bytes: they are read modulo q, and written below
/// it.
fn assert_same(read: &[u8], written: Option<Vec<u8>>, rewrite: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let Some(written) = written else { return };
    assert_eq!(written.len(), read.len(), "a message is written as long as it was read");
    assert_eq!(rewrite(&written), Some(written), "a message that was written has one form");
}

fn client_profile(bytes: &[u8]) {
    let Some(profile) = front(bytes, ClientProfile::read, ClientProfile::as_bytes) else { return };
    if let Ok(verified) = profile.clone().verify(tag_in(bytes), START) {
        assert_eq!(verified.as_bytes(), profile.as_bytes());
        assert!(verified.versions().contains(4) && verified.expires() > START);
    }
}

fn prekey_profile(bytes: &[u8]) {
    front(bytes, PrekeyProfile::read, PrekeyProfile::as_bytes);
}

fn prekey_message(bytes: &[u8]) {
    let Some(message) = front(bytes, PrekeyMessage::read, PrekeyMessage::as_bytes) else { return };
    if let Ok(verified) = message.clone().verify() {
        assert_eq!(verified.as_bytes(), message.as_bytes());
    }
}

fn ensemble(bytes: &[u8]) {
    let mut r = Reader::new(bytes);
    let Ok(ensemble) = PrekeyEnsemble::read(&mut r) else { return };
    let mut w = Writer::new();
    ensemble.write(&mut w);
    assert_eq!(w.as_slice(), r.since(0));
    _ = ensemble.verify(START, Versions::V4);
}

fn ensembles(bytes: &[u8]) {
    if let Ok(ensembles) = read_ensembles(bytes, tag_in(bytes), "bob@example.org") {
        assert!(ensembles.len() <= 16 && ensembles.len() * 185 <= bytes.len());
    }
}

/// Text and records, up to the first one that is cut short.
fn plaintext(bytes: &[u8]) {
    let (text, tlvs) = read_plaintext(bytes);
    let written = write_plaintext(text, &tlvs, Padding::Off).expect("no NUL, no long record");
    match bytes.contains(&0) {
        true => assert!(bytes.starts_with(&written), "records are written as they were read"),
        false => assert!(text == bytes && tlvs.is_empty()),
    }
    assert!(tlvs.iter().map(|tlv| 4 + tlv.value.len()).sum::<usize>() <= bytes.len());
    let padded = write_plaintext(text, &tlvs, Padding::Classes).expect("no NUL, no long record");
    let (again, mut more) = read_plaintext(&padded);
    assert_eq!(again, text);
    if more.len() > tlvs.len() {
        assert_eq!(more.pop().map(|tlv| tlv.kind), Some(tlv_type::PADDING));
    }
    assert_eq!(more, tlvs);
}

/// The data types one after another, as each byte before them says.
fn numbers(bytes: &[u8]) {
    let (mut r, mut w) = (Reader::new(bytes), Writer::new());
    while let Ok(kind) = r.byte("kind") {
        w.byte(kind);
        let before = r.position();
        let read = match kind % 6 {
            0 => r.byte("byte").map(|byte| _ = w.byte(byte)),
            1 => r.short("short").map(|short| _ = w.short(short)),
            2 => r.int("int").map(|int| _ = w.int(int)),
            3 => r.long("long").map(|long| _ = w.long(long)),
            4 => r.data("data").map(|data| _ = w.data(data)),
            _ => r.mpi("number").map(|number| _ = w.mpi(number)),
        };
        assert!(r.position() >= before && r.position() <= bytes.len());
        if read.is_err() {
            break;
        }
        assert_eq!(w.as_slice(), r.since(0), "a value is written as it was read");
    }
}

/// Reads a value from the front; it keeps the bytes that it was read from.
fn front<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, WireError>,
    kept: impl FnOnce(&T) -> &[u8],
) -> Option<T> {
    let mut r = Reader::new(bytes);
    let value = read(&mut r).ok()?;
    assert_eq!(kept(&value), r.since(0));
    Some(value)
}

/// The first owner's tag that could stand there.
fn tag_in(bytes: &[u8]) -> InstanceTag {
    let tags = bytes.windows(4).filter_map(|tag| InstanceTag::read(&mut Reader::new(tag)).ok());
    tags.take(8).last().unwrap_or(InstanceTag::V2)
}

pub(super) const MESSAGE: u8 = 0;
pub(super) const REQUEST: u8 = 1;
pub(super) const CLIENT_PROFILE: u8 = 2;
pub(super) const PREKEY_PROFILE: u8 = 3;
pub(super) const PREKEY_MESSAGE: u8 = 4;
pub(super) const ENSEMBLE: u8 = 5;
pub(super) const ENSEMBLES: u8 = 6;
pub(super) const PLAINTEXT: u8 = 7;
pub(super) const NUMBERS: u8 = 8;
/// Choices.
pub(super) const CHANGED: u8 = 9;
