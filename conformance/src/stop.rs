//! How a case ends before its end.

/// Why a case did not get through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The program did something else than it must.
    Failed(String),
    /// The program does not have what the case is about.
    Skipped(String),
    /// It reads an open point of the specification in another way than this suite.
    Differs(String),
}

/// What a step of a case gives.
pub(crate) type Step<T = ()> = Result<T, Stop>;

/// A failure with this text.
pub(crate) fn failed<T>(why: impl Into<String>) -> Step<T> {
    Err(Stop::Failed(why.into()))
}

/// Fails unless it holds.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return $crate::stop::failed(format!($($why)+));
        }
    };
}
pub(crate) use ensure;
