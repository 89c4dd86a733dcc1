//! The files of fingerprints and of instance tags: a line each, of fields between tabs.

use core::fmt::Write as _;

use super::{AccountName, Fault, FileError, MAX_FILE, PIDGIN_XMPP, fits, without_resource};
use crate::account::Verification;
use crate::keys::FingerprintV3;
use crate::wire::InstanceTag;

/// A fingerprint that somebody has shown in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFingerprint {
    user: String,
    account: AccountName,
    fingerprint: FingerprintV3,
    trust: String,
}

impl KnownFingerprint {
    /// None if the user's name or the word of trust cannot stand in the file, as in [`AccountName::new`]; the word may be
    /// empty.
    pub fn new(user: &str, account: AccountName, fingerprint: FingerprintV3, trust: &str) -> Option<Self> {
        let fit = !user.is_empty() && fits(user) && fits(trust);
        fit.then(|| Self { user: user.into(), account, fingerprint, trust: trust.into() })
    }

    /// Whose it is, as the file calls them.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whose it is, as the messenger calls them: an XMPP address of Pidgin's without a resource.
    pub fn contact(&self) -> &str {
        match self.account.protocol() {
            PIDGIN_XMPP => without_resource(&self.user),
            _ => &self.user,
        }
    }

    /// In which account.
    pub const fn account(&self) -> &AccountName {
        &self.account
    }

    /// Which.
    pub const fn fingerprint(&self) -> FingerprintV3 {
        self.fingerprint
    }

    /// How sure the user was, in the application's word: `verified` in Pidgin, `manual` in irssi, `trusted` in Profanity,
    /// `smp` in libotr itself, nothing if they were not.
    pub fn trust(&self) -> &str {
        &self.trust
    }

    /// What the word of trust means here. libotr writes `smp` for who has asked, or was asked without a question, which
    /// is what [`Verification::Smp`] means; any other word was somebody's decision.
    pub fn verification(&self) -> Verification {
        match self.trust.as_str() {
            "" => Verification::None,
            "smp" => Verification::Smp,
            _ => Verification::ByHand,
        }
    }
}

/// All lines of a file of fingerprints. Lines without a tab are comments.
pub fn read_fingerprints(file: &[u8]) -> Result<Vec<KnownFingerprint>, FileError> {
    read_lines(file, |line| {
        let mut fields = line.splitn(5, '\t');
        let user = fields.next().unwrap_or_default();
        let account = read_account(&mut fields)?;
        let fingerprint = fields.next().ok_or(Fault::Missing("the fingerprint"))?;
        let trust = fields.next().unwrap_or_default();
        // No blanks between the digits: libotr reads none.
        let fingerprint = match fingerprint.len() {
            40 => fingerprint.parse().map_err(|_| Fault::Illegal("the fingerprint"))?,
            _ => return Err(Fault::Illegal("the fingerprint")),
        };
        KnownFingerprint::new(user, account, fingerprint, trust)
            .ok_or(Fault::Illegal("the contact's name or the word of trust"))
    })
}

/// The file that libotr would write for these fingerprints, in this order.
pub fn write_fingerprints(known: &[KnownFingerprint]) -> String {
    let mut file = String::new();
    for KnownFingerprint { user, account: AccountName { name, protocol }, fingerprint, trust } in known {
        _ = writeln!(file, "{user}\t{name}\t{protocol}\t{fingerprint}\t{trust}");
    }
    file
}

/// All lines of a file of instance tags. Lines without a tab are comments.
pub fn read_instance_tags(file: &[u8]) -> Result<Vec<(AccountName, InstanceTag)>, FileError> {
    read_lines(file, |line| {
        let mut fields = line.splitn(3, '\t');
        let account = read_account(&mut fields)?;
        let digits = fields.next().ok_or(Fault::Missing("the instance tag"))?;
        let number = match digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => u32::from_str_radix(digits, 16).ok(),
            false => None,
        };
        let tag = number.and_then(InstanceTag::new);
        Ok((account, tag.ok_or(Fault::Illegal("the instance tag"))?))
    })
}

/// The file that libotr would write for these tags, in this order.
pub fn write_instance_tags(tags: &[(AccountName, InstanceTag)]) -> String {
    let mut file = format!("{TAGS_WARNING}\n");
    for (AccountName { name, protocol }, tag) in tags {
        _ = writeln!(file, "{name}\t{protocol}\t{tag}");
    }
    file
}

fn read_account<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Result<AccountName, Fault> {
    let name = fields.next().ok_or(Fault::Missing("the account's name"))?;
    let protocol = fields.next().ok_or(Fault::Missing("the account's protocol"))?;
    AccountName::new(name, protocol).ok_or(Fault::Illegal("the account's name or protocol"))
}

fn read_lines<T>(file: &[u8], read: impl Fn(&str) -> Result<T, Fault>) -> Result<Vec<T>, FileError> {
    if file.len() > MAX_FILE {
        return Err(FileError { line: 1, fault: Fault::TooLong("the file") });
    }
    let lines = file.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| line.contains(&b'\t'));
    let values = lines.map(|(before, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = core::str::from_utf8(line).map_err(|_| Fault::Illegal("a character that is not UTF-8"));
        text.and_then(&read).map_err(|fault| FileError { line: before + 1, fault })
    });
    values.collect()
}

/// libotr's own words, by which its users know the file.
const TAGS_WARNING: &str =
    "# WARNING! You shouldn't copy this file to another computer. It is unnecessary and can cause problems.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::v3_file;

    fn recorded(who: &str, file: &str) -> String {
        v3_file()["files"][who][file].as_str().expect("a file").to_owned()
    }

    fn jabber(name: &str) -> AccountName {
        AccountName::new(name, "prpl-jabber").expect("a name")
    }

    fn digits(n: u8) -> String {
        FingerprintV3::from_bytes([n; 20]).to_string()
    }

    fn fingerprint_fault(file: &str) -> (usize, Fault) {
        let error = read_fingerprints(file.as_bytes()).expect_err("a damaged file");
        (error.line, error.fault)
    }

    #[test]
    fn recorded_files_are_read_and_written_byte_for_byte() {
        for (who, me, them, key) in [
            ("A", "alice@example.org", "bob@example.org", "B"),
            ("B", "bob@example.org", "alice@example.org", "A"),
        ] {
            let file = recorded(who, "otr.fingerprints");
            let known = read_fingerprints(file.as_bytes()).expect("libotr has written it");
            let [line] = known.as_slice() else { panic!("one line") };
            assert_eq!((line.user(), line.account(), line.trust()), (them, &jabber(me), ""));
            assert_eq!(
                line.fingerprint().to_string(),
                v3_file()["keys"][key]["fingerprint"].as_str().expect("hex")
            );
            assert_eq!(write_fingerprints(&known), file);

            let file = recorded(who, "otr.instance_tags");
            let tags = read_instance_tags(file.as_bytes()).expect("libotr has written it");
            assert_eq!(tags.len(), 1);
            assert_eq!(tags[0].0, jabber(me));
            assert_eq!(write_instance_tags(&tags), file);
        }
    }

    #[test]
    fn a_word_of_trust_is_there_or_not() {
        let mut file = String::new();
        for (n, rest) in [(1, "\n"), (2, "\t\n"), (3, "\tverified\n"), (4, "\tsmp\r\n"), (5, "\tmanual")] {
            file.push_str(&format!("bob\tlab\tIRC\t{}{rest}", digits(n)));
        }
        let known = read_fingerprints(file.as_bytes()).expect("five lines");
        let said: Vec<_> = known.iter().map(|known| (known.trust(), known.verification())).collect();
        use Verification::{ByHand, None as Unverified, Smp};
        let expected =
            [("", Unverified), ("", Unverified), ("verified", ByHand), ("smp", Smp), ("manual", ByHand)];
        assert_eq!(said, expected);
        assert_eq!(read_fingerprints(write_fingerprints(&known).as_bytes()), Ok(known));
    }

    #[test]
    fn a_contact_is_called_as_the_messenger_calls_them() {
        let contact = |user, protocol| {
            let account = AccountName::new("alice", protocol).expect("a name");
            let fingerprint = FingerprintV3::from_bytes([1; 20]);
            KnownFingerprint::new(user, account, fingerprint, "").expect("a name").contact().to_owned()
        };
        assert_eq!(contact("bob@example.org/Home", "prpl-jabber"), "bob@example.org");
        assert_eq!(contact("bob@example.org", "prpl-jabber"), "bob@example.org");
        assert_eq!(contact("bob/away", "IRC"), "bob/away");
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let line = format!("bob\tlab\tIRC\t{}\t", digits(1));
        let file = format!("# mine\n\n{line}\r\n\n");
        assert_eq!(read_fingerprints(file.as_bytes()).map(|known| known.len()), Ok(1));
        assert_eq!(read_fingerprints(b""), Ok(Vec::new()));
        assert_eq!(read_instance_tags(b"# none\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_line_that_is_no_fingerprint_is_refused_with_its_number() {
        let hex = digits(0xab);
        let long = "a".repeat(239);
        for (line, fault) in [
            ("bob\tlab".to_owned(), Fault::Missing("the account's protocol")),
            ("bob\tlab\tIRC".to_owned(), Fault::Missing("the fingerprint")),
            (format!("bob\tlab\tIRC\t{}\t", &hex[1..]), Fault::Illegal("the fingerprint")),
            (format!("bob\tlab\tIRC\t{hex}a\t"), Fault::Illegal("the fingerprint")),
            (format!("bob\tlab\tIRC\tx{}\t", &hex[1..]), Fault::Illegal("the fingerprint")),
            (format!("bob\tlab\tIRC\t {} \t", &hex[2..]), Fault::Illegal("the fingerprint")),
            (format!("bob\t\tIRC\t{hex}\t"), Fault::Illegal("the account's name or protocol")),
            (format!("\tlab\tIRC\t{hex}\t"), Fault::Illegal("the contact's name or the word of trust")),
            (format!("{long}\tlab\tIRC\t{hex}\t"), Fault::Illegal("the contact's name or the word of trust")),
            (
                format!("bob\tlab\tIRC\t{hex}\t{long}"),
                Fault::Illegal("the contact's name or the word of trust"),
            ),
            (
                format!("bob\tlab\tIRC\t{hex}\ta\tb"),
                Fault::Illegal("the contact's name or the word of trust"),
            ),
        ] {
            let file = format!("bob\tlab\tIRC\t{hex}\t\n{line}\n");
            assert_eq!(fingerprint_fault(&file), (2, fault), "{line}");
        }
        let error = read_fingerprints(b"\nbob\xff\tlab\tIRC\t\n").expect_err("Latin-1");
        assert_eq!(error.to_string(), "line 2: a character that is not UTF-8 is not allowed");
        assert_eq!(fingerprint_fault(&"a".repeat(MAX_FILE + 1)), (1, Fault::TooLong("the file")));
    }

    #[test]
    fn an_instance_tag_has_eight_digits_and_is_not_reserved() {
        for tag in ["6d0c0a2", "6d0c0a255", "+d0c0a25", "000000ff", "00000000", ""] {
            let error = read_instance_tags(format!("lab\tIRC\t{tag}\n").as_bytes()).expect_err("no tag");
            assert_eq!(error.fault, Fault::Illegal("the instance tag"), "{tag}");
        }
        let error = read_instance_tags(b"lab\tIRC\n").expect_err("no tag");
        assert_eq!(error, FileError { line: 1, fault: Fault::Missing("the instance tag") });
        assert!(read_instance_tags(b"lab\tIRC\t00000100\n").is_ok());
    }
}
