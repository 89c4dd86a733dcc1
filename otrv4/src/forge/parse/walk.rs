//! The way through the bytes of a message, field by field. Used by [`super::messages`] and [`super::prekeys`].

use super::{Field, Kind, Parsed, Value};
use crate::wire::{Reader, WireError};

/// A reader that notes what it reads.
pub(super) struct Walk<'a> {
    r: Reader<'a>,
    fields: Vec<Field>,
}

/// Reads the fields of one message behind its type.
pub(super) type Body = fn(&mut Walk<'_>) -> Result<(), WireError>;

impl<'a> Walk<'a> {
    /// A whole message: what `read` does not come to is the last field, with the reason.
    pub(super) fn through(
        message: &'a [u8],
        read: impl FnOnce(&mut Self) -> Result<&'static str, (&'static str, WireError)>,
    ) -> Parsed {
        let mut walk = Self { r: Reader::new(message), fields: Vec::new() };
        let (name, error) = match read(&mut walk) {
            Ok(name) => (name, walk.r.clone().end().err()),
            Err((name, error)) => (name, Some(error)),
        };
        let rest = walk.r.ahead();
        if !rest.is_empty() {
            walk.note("what follows", Kind::Bytes, Value::Bytes(rest.to_vec()));
        }
        Parsed { name, fields: walk.fields, error }
    }

    pub(super) fn byte(&mut self, name: &'static str) -> Result<u8, WireError> {
        let value = self.r.byte(name)?;
        self.note(name, Kind::Byte, Value::Number(value.into()));
        Ok(value)
    }

    pub(super) fn short(&mut self, name: &'static str) -> Result<u16, WireError> {
        let value = self.r.short(name)?;
        self.note(name, Kind::Short, Value::Number(value.into()));
        Ok(value)
    }

    pub(super) fn int(&mut self, name: &'static str) -> Result<u32, WireError> {
        let value = self.r.int(name)?;
        self.note(name, Kind::Int, Value::Number(value.into()));
        Ok(value)
    }

    pub(super) fn long(&mut self, name: &'static str) -> Result<u64, WireError> {
        let value = self.r.long(name)?;
        self.note(name, Kind::Long, Value::Number(value));
        Ok(value)
    }

    pub(super) fn data(&mut self, name: &'static str) -> Result<&'a [u8], WireError> {
        let value = self.whole(|r| r.data(name))?;
        self.note(name, Kind::Data, Value::Bytes(value.to_vec()));
        Ok(value)
    }

    pub(super) fn mpi(&mut self, name: &'static str) -> Result<&'a [u8], WireError> {
        let value = self.whole(|r| r.mpi(name))?;
        self.note(name, Kind::Mpi, Value::Bytes(value.to_vec()));
        Ok(value)
    }

    pub(super) fn point(&mut self, name: &'static str) -> Result<&'a [u8; 57], WireError> {
        self.fixed(name, Kind::Point)
    }

    pub(super) fn scalar(&mut self, name: &'static str) -> Result<&'a [u8; 57], WireError> {
        self.fixed(name, Kind::Scalar)
    }

    /// N bytes.
    pub(super) fn bytes<const N: usize>(&mut self, name: &'static str) -> Result<&'a [u8; N], WireError> {
        self.fixed(name, Kind::Bytes)
    }

    /// DATA that is a list of values of N bytes, one field each behind that of the length; and what is left, if its length is another.
    pub(super) fn list<const N: usize>(
        &mut self,
        names: &'static str,
        name: &'static str,
    ) -> Result<(), WireError> {
        let list = self.whole(|r| r.data(names))?;
        let (values, rest) = list.as_chunks::<N>();
        self.note(names, Kind::Data, Value::Number(u64::try_from(list.len()).unwrap_or(u64::MAX)));
        self.mean(format!("bytes: {} keys", values.len()));
        values.iter().for_each(|value| self.note(name, Kind::Bytes, Value::Bytes(value.to_vec())));
        if rest.is_empty() {
            return Ok(());
        }
        self.note("less than a MAC key", Kind::Bytes, Value::Bytes(rest.to_vec()));
        Err(WireError::Illegal("this length of a list of MAC keys"))
    }

    /// DATA that holds a message: its length, and the fields of that message.
    pub(super) fn inside(&mut self, name: &'static str, read: Body) -> Result<(), WireError> {
        let message = self.whole(|r| r.data(name))?;
        self.note(name, Kind::Data, Value::Number(u64::try_from(message.len()).unwrap_or(u64::MAX)));
        self.mean("bytes");
        let Parsed { fields, error, .. } =
            Self::through(message, |walk| read(walk).map(|()| name).map_err(|error| (name, error)));
        self.fields.extend(fields);
        error.map_or(Ok(()), Err)
    }

    /// All that is left, as one field.
    pub(super) fn rest(&mut self, name: &'static str) {
        let rest = self.r.ahead();
        self.note(name, Kind::Bytes, Value::Bytes(rest.to_vec()));
        _ = self.r.bytes(rest.len(), name);
    }

    /// How much has been read.
    pub(super) fn position(&self) -> usize {
        self.r.position()
    }

    /// 114 bytes: an EdDSA signature over everything since `start`, if it can be checked; and what it says if it holds.
    pub(super) fn signature(
        &mut self,
        name: &'static str,
        start: usize,
        check: impl FnOnce(&[u8], &[u8; 114]) -> Option<bool>,
        says: &str,
    ) -> Result<(), WireError> {
        let signed = self.r.since(start);
        let holds = check(signed, self.bytes::<114>(name)?);
        self.mean(match holds {
            Some(true) => format!("holds{says}"),
            Some(false) => "does not hold".to_owned(),
            None => "not checked: the key is not in this line".to_owned(),
        });
        if let Some(last) = self.fields.last_mut() {
            last.holds = holds;
        }
        Ok(())
    }

    /// What the last field says.
    pub(super) fn mean(&mut self, meaning: impl Into<String>) {
        if let Some(last) = self.fields.last_mut() {
            last.meaning = Some(meaning.into());
        }
    }

    fn fixed<const N: usize>(&mut self, name: &'static str, kind: Kind) -> Result<&'a [u8; N], WireError> {
        let value = self.r.chunk(name)?;
        self.note(name, kind, Value::Bytes(value.to_vec()));
        Ok(value)
    }

    /// A value that is refused is left to be shown as what follows, with its length.
    fn whole(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<&'a [u8], WireError>,
    ) -> Result<&'a [u8], WireError> {
        let mut r = self.r.clone();
        let value = read(&mut r)?;
        self.r = r;
        Ok(value)
    }

    fn note(&mut self, name: &'static str, kind: Kind, value: Value) {
        self.fields.push(Field { name, kind, value, meaning: None, holds: None });
    }
}
