//! Requests and responses as binary HTTP, filled up with zeros to a few sizes, so that ciphertext does not tell by its
//! length what is in it. Spec: RFC 9292, sections 3.1 (known length) and 3.8 (padding).

use crate::padding::{ANSWERS, QUERIES, fill};
use bhttp::{ControlData, Message, Mode, StatusCode};
use std::io::Cursor;

/// A request, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Vec<u8>,
    pub(super) path: Vec<u8>,
    /// Seconds since 1970, of the field `date`.
    pub(super) date: Option<i64>,
    pub(super) content_type: Vec<u8>,
    /// Whether it waits for `100 Continue`, which nobody can send (RFC 9458, section 5.1).
    pub(super) expects: bool,
    pub(super) content: Vec<u8>,
}

impl Request {
    /// `None` for what is no request, and for one that is padded with something else than zeros.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let message = read(bytes)?;
        let ControlData::Request { method, path, .. } = message.control() else { return None };
        let header = message.header();
        let date = header.get(b"date").and_then(|text| std::str::from_utf8(text).ok());
        Some(Self {
            method: method.clone(),
            path: path.clone(),
            date: date.and_then(unix),
            content_type: header.get(b"content-type").unwrap_or_default().to_vec(),
            expects: header.get(b"expect").is_some(),
            content: message.content().to_vec(),
        })
    }
}

/// A POST of text. The server that opens it is the one that answers it, so no authority is named.
pub(super) fn write_post(path: &str, date: i64, text: &str) -> Vec<u8> {
    let mut message = Message::request(b"POST".into(), b"https".into(), Vec::new(), path.into());
    message.put_header("content-type", "text/plain");
    message.put_header("date", http_date(date));
    message.write_content(text);
    write(&message, &QUERIES)
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content: Vec<u8>,
}

impl Response {
    /// `None` for what is no response, and for one that is padded with something else than zeros.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let message = read(bytes)?;
        let status = message.control().status()?.code();
        Some(Self { status, content: message.content().to_vec() })
    }
}

pub(super) fn write_response(status: u16, content_type: &[u8], date: i64, content: &[u8]) -> Vec<u8> {
    let mut message = Message::response(StatusCode::try_from(status).expect("a status of HTTP"));
    message.put_header("content-type", content_type);
    message.put_header("date", http_date(date));
    message.write_content(content);
    write(&message, &ANSWERS)
}

fn write(message: &Message, sizes: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write_bhttp(Mode::KnownLength, &mut bytes).expect("a vector takes everything");
    fill(&mut bytes, sizes, 0);
    bytes
}

fn read(bytes: &[u8]) -> Option<Message> {
    let mut cursor = Cursor::new(bytes);
    let message = Message::read_bhttp(&mut cursor).ok()?;
    let rest = bytes.get(usize::try_from(cursor.position()).ok()?..)?;
    rest.iter().all(|byte| *byte == 0).then_some(message)
}

fn unix(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// A time before 1970 or after 9999 has no text: it reads as 1970.
fn http_date(unix: i64) -> String {
    let since = u64::try_from(unix).ok().filter(|seconds| *seconds < END_OF_9999).unwrap_or_default();
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(since))
}

const END_OF_9999: u64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_back_and_all_queries_have_one_size() {
        let short = write_post("/v1/messages", 1_700_000_000, "AAQ.");
        let long = write_post("/v1/messages", 1_700_000_000, &"A".repeat(400));
        assert_eq!((short.len(), long.len()), (1024, 1024));
        let read = Request::read(&short).expect("a request");
        assert_eq!((&read.method[..], &read.path[..]), (&b"POST"[..], &b"/v1/messages"[..]));
        assert_eq!((&read.content[..], &read.content_type[..]), (&b"AAQ."[..], &b"text/plain"[..]));
        assert_eq!((read.date, read.expects), (Some(1_700_000_000), false));
        assert!(Response::read(&short).is_none());
    }

    #[test]
    fn answers_have_few_sizes() {
        let size = |content| write_response(200, b"text/plain", 0, &vec![b'A'; content]).len();
        assert_eq!([0, 100, 3_000, 8_000].map(size), [8 << 10; 4]);
        assert_eq!([8 << 10, 60_000, 200_000, 700_000].map(size), [64 << 10, 64 << 10, 256 << 10, 1 << 20]);
        let response = write_response(403, b"application/problem+json", 0, b"{}");
        assert_eq!(Response::read(&response), Some(Response { status: 403, content: b"{}".to_vec() }));
        assert!(Request::read(&response).is_none());
    }

    #[test]
    fn the_request_of_the_rfc_is_read_and_needs_no_content() {
        let bytes = hex::decode("00034745540568747470730b6578616d706c652e636f6d012f").expect("hex");
        let read = Request::read(&bytes).expect("a request");
        assert_eq!((&read.method[..], &read.path[..]), (&b"GET"[..], &b"/"[..]));
        assert_eq!((read.date, read.content.len()), (None, 0));
    }

    #[test]
    fn padding_is_zeros_and_lengths_are_not_believed() {
        let mut padded = write_post("/v1/messages", 0, "AAQ.");
        *padded.last_mut().expect("padding") = 1;
        assert_eq!(Request::read(&padded), None);
        let endless = hex::decode("00ffffffffffffffff").expect("hex");
        assert_eq!(Request::read(&endless), None);
        assert_eq!(Request::read(&[]), None);
    }

    #[test]
    fn no_cut_or_changed_request_panics() {
        let good = write_post("/v1/messages", 1_700_000_000, "AAQ.");
        for length in 0..120 {
            _ = Request::read(&good[..length]);
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[length] ^= 1 << bit;
                _ = Request::read(&changed);
                _ = Response::read(&changed);
            }
        }
    }

    #[test]
    fn a_time_without_a_text_is_1970() {
        for impossible in [-1, i64::MIN, i64::MAX] {
            assert_eq!(http_date(impossible), "Thu, 01 Jan 1970 00:00:00 GMT");
        }
        assert_eq!(http_date(1_700_000_000), "Tue, 14 Nov 2023 22:13:20 GMT");
    }
}
