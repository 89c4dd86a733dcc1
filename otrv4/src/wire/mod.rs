//! To come.
pub(crate) mod fragment;
pub(crate) mod header;
pub(crate) mod text;
pub(crate) mod tlv;

/// Why bytes could not be read as a value of otrv4.md "Data Types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The input ends before the value does.
    #[error("{0} is cut short")]
    Truncated(&'static str),
    /// The value is outside its range, group or format.
    #[error("{0} is not allowed")]
    Illegal(&'static str),
    /// The value is longer than we accept.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// Bytes are left after the last field.
    #[error("bytes follow the end of the message")]
    Trailing,
}
