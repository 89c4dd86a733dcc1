//! What saved state needs beyond the wire's types: options and lists.
//! Used by everything that an account or a session keeps; see [`crate::Session::save`].

use std::collections::BTreeMap;

use super::{Reader, WireError, Writer};
use crate::Timestamp;

impl Timestamp {
    /// 8 bytes, big-endian.
    pub(crate) fn save(self, w: &mut Writer) {
        w.long(self.unix().cast_unsigned());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self::from_unix(r.long("time")?.cast_signed()))
    }
}

impl Writer {
    /// BYTE 0, or BYTE 1 and the value.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => _ = self.byte(0),
            Some(value) => write(self.byte(1), value),
        }
        self
    }

    /// INT count, and the items.
    pub(crate) fn list<I: IntoIterator<IntoIter: ExactSizeIterator>>(
        &mut self,
        items: I,
        mut write: impl FnMut(&mut Self, I::Item),
    ) -> &mut Self {
        let items = items.into_iter();
        self.int(u32::try_from(items.len()).expect("state is bounded far below 2^32 items"));
        items.for_each(|item| write(self, item));
        self
    }
}

impl Reader<'_> {
    /// The inverse of [`Writer::option`].
    pub(crate) fn option<T, E: From<WireError>>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        match self.byte("option")? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(WireError::Illegal("option").into()),
        }
    }

    /// The inverse of [`Writer::list`]. Nothing is allocated by the count: every item must be there.
    pub(crate) fn list<T, E: From<WireError>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let mut items = Vec::new();
        for _ in 0..self.int("list")? {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// The same for what is ordered by its keys: ascending, each once, as it was written.
    pub(crate) fn map<K: Ord, V, E: From<WireError>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<(K, V), E>,
    ) -> Result<BTreeMap<K, V>, E> {
        let mut map = BTreeMap::new();
        for _ in 0..self.int("map")? {
            let (key, value) = read(self)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(WireError::Illegal("order of a map").into());
            }
            map.insert(key, value);
        }
        Ok(map)
    }

    /// BYTE 0 or 1.
    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Illegal(what)),
        }
    }

    /// DATA that holds UTF-8.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<String, WireError> {
        String::from_utf8(self.data(what)?.to_vec()).map_err(|_| WireError::Illegal(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_lists_are_read_back() {
        let mut w = Writer::new();
        w.option(Some(7u8), |w, n| _ = w.byte(n)).option(None::<u8>, |_, _| unreachable!());
        w.list(&[1u16, 2, 3], |w, n| _ = w.short(*n));
        let bytes = w.finish();
        let mut r = Reader::new(&bytes);
        assert_eq!(r.option(|r| r.byte("n")), Ok(Some(7)));
        assert_eq!(r.option(|r| r.byte("n")), Ok(None));
        assert_eq!(r.list(|r| r.short("n")), Ok(vec![1, 2, 3]));
        assert_eq!(r.end(), Ok(()));
    }

    #[test]
    fn a_value_has_one_saved_form() {
        assert_eq!(Reader::new(&[1]).flag("flag"), Ok(true));
        assert_eq!(Reader::new(&[2]).flag("flag"), Err(WireError::Illegal("flag")));
        for (keys, accepted) in [([1, 2], true), ([2, 1], false), ([1, 1], false)] {
            let bytes = [0, 0, 0, 2, keys[0], keys[1]];
            let map = Reader::new(&bytes).map(|r| Ok::<_, WireError>((r.byte("key")?, ())));
            assert_eq!(map.is_ok(), accepted);
        }
    }

    #[test]
    fn a_count_larger_than_the_bytes_is_refused() {
        assert!(Reader::new(&[0xff; 4]).list(|r| r.byte("n")).is_err());
    }
}
