//! Sizes that tell little: what is sent is filled up to one of a few, so that neither TLS nor HPKE shows by the length of
//! the ciphertext what is in it. Used by `http` and [`crate::oblivious`], and by clients.
//!
//! The padding of a text is line breaks behind its full stop, which [`otrv4::prekey_server::decode_text`] passes over.
//! Where HTTP is not oblivious, refusals are not padded: their status line has another length anyway, and whoever floods
//! the server must not get 8 KiB for each refused request.

/// Answers, oblivious or not. No ensembles, the ensembles of about four clients, and all answers to publishers have the first of
/// these sizes. The last takes what a server has at most.
pub const ANSWERS: [usize; 4] = [8 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Ensemble queries, oblivious or not. The first of these sizes takes every name that an account can have.
pub const QUERIES: [usize; 2] = [1 << 10, 8 << 10];

/// What a publisher sends, whichever step of the exchange it is. The first of these sizes takes a publication of 100 prekeys
/// with profiles of the usual length, the second the longest.
pub const PUBLISHING: [usize; 2] = [64 << 10, 256 << 10];

/// A message's text, filled up to the first of the sizes that takes it; as it is, if none does.
pub fn pad(text: String, sizes: &[usize]) -> String {
    let mut bytes = text.into_bytes();
    fill(&mut bytes, sizes, b'\n');
    String::from_utf8(bytes).expect("a text and line breaks are a text")
}

/// Puts `filler` behind the bytes, up to the first of the sizes that takes them.
pub(crate) fn fill(bytes: &mut Vec<u8>, sizes: &[usize], filler: u8) {
    if let Some(size) = sizes.iter().find(|size| bytes.len() <= **size) {
        bytes.resize(*size, filler);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otrv4::prekey_server::{MAX_REQUEST, MAX_TEXT, decode_text, encode_text};

    #[test]
    fn a_text_goes_up_to_the_next_size_and_reads_the_same() {
        for (length, expected) in [(0, 1024), (765, 1024), (768, 8192), (6000, 8192), (9000, 12_001)] {
            let text = encode_text(&vec![7; length]);
            let padded = pad(text.clone(), &QUERIES);
            assert_eq!((padded.len(), decode_text(&padded)), (expected, decode_text(&text)), "{length}");
        }
    }

    #[test]
    fn the_largest_sizes_take_the_longest_messages() {
        let longest_request = encode_text(&vec![0; MAX_REQUEST]).len();
        assert!(PUBLISHING.last().is_some_and(|size| longest_request <= *size));
        assert!(ANSWERS.last().is_some_and(|size| MAX_TEXT <= *size));
    }
}
