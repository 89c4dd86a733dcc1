//! Records beside the text of a data message, for people. Spec: otrv4.md and OTRv3, "TLV Record Types".

use otrv4::wire::{Version, tlv_type, tlv_type_v3};

/// What a record is for.
pub(crate) fn record(version: Version, kind: u16) -> &'static str {
    match (version, kind) {
        (_, tlv_type::PADDING) => "padding",
        (_, tlv_type::DISCONNECTED) => "the end of the conversation",
        (_, tlv_type::SMP_1) => "SMP message 1",
        (_, tlv_type::SMP_2) => "SMP message 2",
        (_, tlv_type::SMP_3) => "SMP message 3",
        (_, tlv_type::SMP_4) => "SMP message 4",
        (_, tlv_type::SMP_ABORT) => "SMP abort",
        (Version::V4, tlv_type::EXTRA_KEY) => "use of the extra symmetric key",
        (Version::V3 | Version::V2, tlv_type_v3::SMP_1_WITH_QUESTION) => "SMP message 1 with a question",
        (Version::V3, tlv_type_v3::EXTRA_KEY) => "use of the extra symmetric key",
        _ => "not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_the_table_of_their_version() {
        let names = |version| [0, 1, 2, 7, 8, 9].map(|kind| record(version, kind));
        let (extra, unknown) = ("use of the extra symmetric key", "not known");
        let both = ["padding", "the end of the conversation", "SMP message 1"];
        let question = "SMP message 1 with a question";
        assert_eq!(names(Version::V4), [&both[..], &[extra, unknown, unknown]].concat()[..]);
        assert_eq!(names(Version::V3), [&both[..], &[question, extra, unknown]].concat()[..]);
        assert_eq!(names(Version::V2), [&both[..], &[question, unknown, unknown]].concat()[..]);
    }
}
