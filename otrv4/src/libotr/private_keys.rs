//! The file of private keys: `(privkeys (account (name …) (protocol …) (private-key (dsa (p …) (q …) (g …) (y …) (x …)))) …)`.

use zeroize::Zeroizing;

use super::expression::Expressions;
use super::printing::{write_number, write_text};
use super::{AccountName, Fault, FileError};
use crate::keys::DsaKey;
use crate::wire::Writer;

/// All accounts of a file with their keys, in the file's order; each key is checked. Of two of the same name libotr uses
/// the last.
pub fn read_private_keys(file: &[u8]) -> Result<Vec<(AccountName, DsaKey)>, FileError> {
    let mut c = Expressions::new(file)?;
    c.open("privkeys")?;
    let mut keys = Vec::new();
    let mut place = c.place();
    while let Some(word) = c.list()? {
        if *word != b"account" {
            return Err(c.fault_at(place, Fault::Expected("an account")));
        }
        keys.push(read_account(&mut c, place)?);
        place = c.place();
    }
    c.end()?;
    Ok(keys)
}

/// The file that libotr would write for these accounts, in this order. It is secret, and not encrypted.
pub fn write_private_keys<'a>(
    keys: impl IntoIterator<Item = (&'a AccountName, &'a DsaKey)>,
) -> Zeroizing<Vec<u8>> {
    let mut w = Writer::new();
    w.bytes(b"(privkeys\n");
    for (account, key) in keys {
        w.bytes(b" (account\n(name ");
        write_text(&mut w, account.name().as_bytes());
        w.bytes(b")\n(protocol ");
        write_text(&mut w, account.protocol().as_bytes());
        w.bytes(b")\n(private-key \n (dsa \n");
        let parts = key.parts();
        for (name, number) in NUMBERS.iter().zip([&parts.p, &parts.q, &parts.g, &parts.y, &*parts.x]) {
            w.bytes(b"  (").bytes(name.as_bytes()).byte(b' ');
            write_number(&mut w, number);
            w.bytes(b")\n");
        }
        w.bytes(b"  )\n )\n )\n");
    }
    w.bytes(b")\n");
    w.finish_secret()
}

/// What follows `(account`, which stands at that place.
fn read_account(c: &mut Expressions<'_>, place: usize) -> Result<(AccountName, DsaKey), FileError> {
    let (mut name, mut protocol, mut key) = (None, None, None);
    let mut here = c.place();
    while let Some(word) = c.list()? {
        let once = match word.as_slice() {
            b"name" => set(&mut name, c.only_value()?),
            b"protocol" => set(&mut protocol, c.only_value()?),
            b"private-key" => set(&mut key, read_key(c, here)?),
            _ => c.skip_list().map(|()| true)?,
        };
        if !once {
            return Err(c.fault_at(here, Fault::Twice("a part of an account")));
        }
        here = c.place();
    }
    let missing = |what| c.fault_at(place, Fault::Missing(what));
    let name = name.ok_or_else(|| missing("the account's name"))?;
    let protocol = protocol.ok_or_else(|| missing("the account's protocol"))?;
    let key = key.ok_or_else(|| missing("the account's private key"))?;
    let text = |bytes| core::str::from_utf8(bytes).ok();
    let account =
        text(&name).zip(text(&protocol)).and_then(|(name, protocol)| AccountName::new(name, protocol));
    match account {
        Some(account) => Ok((account, key)),
        None => {
            Err(c.fault_at(place, Fault::Illegal("the name or protocol of the account that begins here")))
        }
    }
}

/// What follows `(private-key`, which stands at that place.
fn read_key(c: &mut Expressions<'_>, place: usize) -> Result<DsaKey, FileError> {
    let dsa = c.place();
    match c.list()? {
        Some(word) if *word == b"dsa" => {}
        _ => return Err(c.fault_at(dsa, Fault::Expected("a DSA key"))),
    }
    let mut numbers = [const { None }; NUMBERS.len()];
    let mut here = c.place();
    while let Some(word) = c.list()? {
        let known = NUMBERS.iter().zip(&mut numbers).find(|(name, _)| name.as_bytes() == word.as_slice());
        let once = match known {
            Some((_, number)) => set(number, c.only_value()?),
            None => c.skip_list().map(|()| true)?,
        };
        if !once {
            return Err(c.fault_at(here, Fault::Twice("a number of a private key")));
        }
        here = c.place();
    }
    c.skip_list()?;
    let [Some(p), Some(q), Some(g), Some(y), Some(x)] = numbers else {
        return Err(c.fault_at(dsa, Fault::Missing("a number of the private key")));
    };
    DsaKey::from_parts(&p, &q, &g, &y, &x).map_err(|error| c.fault_at(place, Fault::Key(error)))
}

/// Whether it was not there yet.
fn set<T>(place: &mut Option<T>, value: T) -> bool {
    place.replace(value).is_none()
}

/// The numbers of a key, in the order in which libgcrypt prints them.
const NUMBERS: [&str; 5] = ["p", "q", "g", "y", "x"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::vectors::{bytes, v3_file};
    use crate::wire::WireError;

    fn recorded(who: &str) -> (String, Value) {
        let keys = v3_file()["keys"][who].clone();
        (keys["private_key_file"].as_str().expect("a file").to_owned(), keys)
    }

    fn account(name: &str, protocol: &str) -> AccountName {
        AccountName::new(name, protocol).expect("a name")
    }

    fn fault(file: &str) -> (usize, Fault) {
        let error = read_private_keys(file.as_bytes()).expect_err("a damaged file");
        (error.line, error.fault)
    }

    #[test]
    fn recorded_files_are_read_and_written_byte_for_byte() {
        for (who, name) in [("A", "alice@example.org"), ("B", "bob@example.org")] {
            let (file, numbers) = recorded(who);
            let keys = read_private_keys(file.as_bytes()).expect("libotr has written it");
            let [(read, key)] = keys.as_slice() else { panic!("one account") };
            assert_eq!(*read, account(name, "prpl-jabber"));
            assert_eq!(key.fingerprint().to_string(), numbers["fingerprint"].as_str().expect("hex"));
            let parts = key.parts();
            for (number, value) in NUMBERS.iter().zip([&parts.p, &parts.q, &parts.g, &parts.y, &*parts.x]) {
                assert_eq!(*value, bytes(&numbers[number]), "{number}");
            }
            assert_eq!(*write_private_keys([(read, key)]), file.as_bytes());
        }
    }

    #[test]
    fn all_accounts_of_a_file_are_read_in_its_order() {
        let (alice, bob) = (recorded("A").0, recorded("B").0);
        let keys = |file: &str| read_private_keys(file.as_bytes()).expect("a whole file");
        let (key_a, key_b) = (keys(&alice).remove(0).1, keys(&bob).remove(0).1);
        let names = [account("lab", "IRC"), account("zoë\"s", "xmpp"), account("édith/", "prpl-jabber")];
        let written = write_private_keys(names.iter().zip([&key_a, &key_b, &key_a]));
        let read = read_private_keys(&written).expect("three accounts");
        assert!(read.iter().map(|(name, _)| name).eq(&names));
        let fingerprints = read.iter().map(|(_, key)| key.fingerprint());
        assert!(fingerprints.eq([&key_a, &key_b, &key_a].map(DsaKey::fingerprint)));
        assert_eq!(*write_private_keys(read.iter().map(|(name, key)| (name, key))), *written);
        assert_eq!(keys("(privkeys\n)\n").len(), 0);
    }

    #[test]
    fn a_file_is_read_in_whatever_form_and_order_its_parts_are() {
        let (file, numbers) = recorded("A");
        let hex = |name: &str| numbers[name].as_str().expect("hex").to_owned();
        let unprinted = format!(
            "(privkeys(account(protocol \"prpl-jabber\")(comment (by #68616e64#))(private-key (dsa (x #{}#)(y #00{}#)(p \
             #{}#)(q #{}#)(note 3:))))(g #{}#))(more))(name 17:alice@example.org)))",
            hex("x"),
            hex("y"),
            hex("p"),
            hex("q").to_uppercase(),
            hex("g"),
        );
        let read = read_private_keys(unprinted.as_bytes()).expect("the same key");
        assert_eq!(*write_private_keys(read.iter().map(|(name, key)| (name, key))), file.as_bytes());
    }

    #[test]
    fn a_file_is_refused_wherever_it_is_cut() {
        let (file, _) = recorded("A");
        let end = file.trim_end().len();
        for length in 0..end {
            assert!(read_private_keys(&file.as_bytes()[..length]).is_err(), "{length} bytes");
        }
        assert!(read_private_keys(&file.as_bytes()[..end]).is_ok());
    }

    #[test]
    fn numbers_that_are_no_key_are_refused_where_they_begin() {
        let (file, numbers) = recorded("A");
        let other = recorded("B").1;
        for name in NUMBERS {
            let (ours, theirs) = (&numbers[name], &other[name]);
            let digits = |value: &Value| value.as_str().expect("hex").to_uppercase();
            let damaged = file.replace(&digits(ours), &digits(theirs));
            assert_ne!(damaged, file);
            let (line, fault) = fault(&damaged);
            assert_eq!(line, 5, "{name}");
            assert!(matches!(fault, Fault::Key(WireError::Illegal(_))), "{name}: {fault:?}");
        }
        let x = numbers["x"].as_str().expect("hex").to_uppercase();
        for huge in ["F".repeat(400), "0".repeat(40), String::new()] {
            assert!(matches!(fault(&file.replace(&x, &huge)), (5, Fault::Key(_))), "{huge}");
        }
        assert_eq!(fault(&file.replace(&x, &"F".repeat(4000))), (11, Fault::TooLong("a value")));
        assert_eq!(fault(&file.replace(&x, &x[1..])), (11, Fault::Illegal("a number")));
    }

    #[test]
    fn files_of_another_build_are_refused_with_the_line() {
        let (file, _) = recorded("A");
        let damaged = |from: &str, to: &str| {
            let damaged = file.replacen(from, to, 1);
            assert_ne!(damaged, file);
            fault(&damaged)
        };
        let missing = |what| (2, Fault::Missing(what));
        assert_eq!(damaged("privkeys", "pubkeys"), (1, Fault::Expected("privkeys")));
        assert_eq!(damaged("(account", "(person"), (2, Fault::Expected("an account")));
        assert_eq!(damaged("(name ", "(nick "), missing("the account's name"));
        assert_eq!(damaged("(protocol ", "(network "), missing("the account's protocol"));
        assert_eq!(damaged("(private-key", "(public-key"), missing("the account's private key"));
        assert_eq!(damaged("(dsa", "(rsa"), (6, Fault::Expected("a DSA key")));
        assert_eq!(damaged("(x ", "(z "), (6, Fault::Missing("a number of the private key")));
        assert_eq!(damaged("(q ", "(p "), (8, Fault::Twice("a number of a private key")));
        assert_eq!(
            damaged("(protocol prpl", "(name lab)(protocol prpl"),
            (4, Fault::Twice("a part of an account"))
        );
        let name = (2, Fault::Illegal("the name or protocol of the account that begins here"));
        assert_eq!(damaged("\"alice@example.org\"", "#FF#"), name);
        assert_eq!(damaged("\"alice@example.org\"", "\"a\\nb\""), name);
        assert_eq!(damaged("\"alice@example.org\"", "\"\""), name);
        assert_eq!(fault(&format!("{file}(")), (16, Fault::Trailing));
        assert_eq!(fault(""), (1, Fault::CutShort("a list")));
        assert_eq!(fault(&"(".repeat(100_000)), (1, Fault::Expected("a value")));
        assert_eq!(
            fault("(privkeys\n(account (name a)(x (((((((((((((((((((((((((((((((((((((((((").1,
            Fault::TooDeep
        );
    }

    #[test]
    fn an_error_says_nothing_of_the_key() {
        let (file, numbers) = recorded("A");
        let other = recorded("B").1["x"].as_str().expect("hex").to_uppercase();
        let x = numbers["x"].as_str().expect("hex").to_uppercase();
        let error = read_private_keys(file.replace(&x, &other).as_bytes()).expect_err("another x");
        let said = format!("{error} {error:?}").to_uppercase();
        assert!(!said.contains(&other[..6]) && !said.contains(&x[..6]), "{said}");
    }
    proptest! {
        #[test]
        fn a_changed_byte_gives_an_error_or_the_same_key(at in 0..1002_usize, byte: u8) {
            let (file, numbers) = recorded("A");
            let mut changed = file.into_bytes();
            changed[at] = byte;
            if let Ok(keys) = read_private_keys(&changed) {
                for (_, key) in keys {
                    prop_assert_eq!(key.fingerprint().to_string(), numbers["fingerprint"].as_str().expect("hex"));
                }
            }
        }

        #[test]
        fn whatever_is_in_a_file_it_is_read_or_refused(text in "[()#\"\\\\ a-f0-9:\n]{0,60}") {
            _ = read_private_keys(text.as_bytes());
            _ = read_private_keys(format!("(privkeys (account {text}").as_bytes());
        }
    }
}
