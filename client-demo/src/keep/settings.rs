//! What a person has set of the policy, for everybody or for one contact. One table says for each setting how it is
//! read, shown and explained: the arguments of `policy`, its answer and the home folder all come from it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use otrv4::Policy;
use otrv4::session::OperationMode;
use otrv4::wire::{Padding, Versions};
use serde::{Deserialize, Serialize};

/// Values as the person gives them, by the name of the setting. What is not in it is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Settings(BTreeMap<String, String>);

/// One setting.
pub(crate) struct Setting {
    /// As an argument: `--name`.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) values: &'static str,
    /// What it means, in a line.
    pub(crate) means: &'static str,
    write: fn(&mut Policy, &str) -> Result<(), String>,
    read: fn(&Policy) -> String,
}

impl Setting {
    /// The value in a policy.
    pub(crate) fn of(&self, policy: &Policy) -> String {
        (self.read)(policy)
    }

    /// The value as it is shown and kept; an error that says what it takes.
    pub(crate) fn check(&self, value: &str) -> Result<String, String> {
        let mut policy = Policy::default();
        (self.write)(&mut policy, value)?;
        Ok(self.of(&policy))
    }
}

impl Settings {
    /// Sets a value that [`Setting::check`] has given.
    pub(crate) fn set(&mut self, setting: &Setting, value: String) {
        self.0.insert(setting.name.to_owned(), value);
    }

    /// Whether it is set here.
    pub(crate) fn has(&self, setting: &Setting) -> bool {
        self.0.contains_key(setting.name)
    }

    /// Whether nothing is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The policy that comes of these, the later ones over the earlier, and all over what the mode brings. This client
    /// never sends clear text and hides the length of texts unless it is told otherwise.
    pub(crate) fn policy(layers: &[&Self]) -> Policy {
        let mut policy = Policy::default();
        Self::apply(layers, &mut policy, |setting| setting.name == MODE);
        let mut policy = match policy.operation {
            OperationMode::Standalone => Policy::standalone(),
            OperationMode::InteractiveOnly => Policy::interactive_only(),
            _ => Policy { require_encryption: true, ..Policy::default() },
        };
        policy.padding = Padding::Classes;
        Self::apply(layers, &mut policy, |setting| setting.name != MODE);
        policy
    }

    fn apply(layers: &[&Self], policy: &mut Policy, wanted: impl Fn(&Setting) -> bool) {
        for (setting, values) in SETTINGS
            .iter()
            .filter(|setting| wanted(setting))
            .flat_map(|setting| layers.iter().map(move |layer| (setting, layer.0.get(setting.name))))
        {
            // A value that was kept was checked; one that another version understood leaves things as they are.
            _ = values.map(|value| (setting.write)(policy, value));
        }
    }
}

/// All of them, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: MODE,
        values: "compatible|standalone|interactive-only",
        means: "Whether clear text and older versions exist at all, and conversations with people who are away",
        write: |policy, value| {
            policy.operation = match value {
                "compatible" => OperationMode::V3Compatible,
                "standalone" => OperationMode::Standalone,
                "interactive-only" => OperationMode::InteractiveOnly,
                _ => return Err("compatible, standalone or interactive-only".to_owned()),
            };
            Ok(())
        },
        read: |policy| {
            match policy.operation {
                OperationMode::Standalone => "standalone",
                OperationMode::InteractiveOnly => "interactive-only",
                _ => "compatible",
            }
            .to_owned()
        },
    },
    Setting {
        name: "versions",
        values: "3|4|34",
        means: "Versions of OTR to speak; version 2 has a setting of its own",
        write: |policy, value| match versions(value)? {
            Chosen { allow_v2: true, .. } => {
                Err("give 3, 4 or 34; version 2 is allowed with --allow-v2 yes".to_owned())
            }
            Chosen { versions, .. } => {
                policy.versions = versions;
                Ok(())
            }
        },
        read: |policy| policy.versions.to_digits(),
    },
    Setting {
        name: "allow-v2",
        values: YES_NO,
        means: "Version 2, too, with somebody whose client has nothing newer (Profanity, WeeChat)",
        write: |policy, value| set(&mut policy.allow_v2, value),
        read: |policy| word(policy.allow_v2),
    },
    Setting {
        name: "allow-fallback",
        values: YES_NO,
        means: "An older version also with somebody who is known to speak version 4",
        write: |policy, value| set(&mut policy.allow_fallback, value),
        read: |policy| word(policy.allow_fallback),
    },
    Setting {
        name: "require-encryption",
        values: YES_NO,
        means: "Nothing leaves in clear text; without it, `send` writes in clear to those who have no prekeys",
        write: |policy, value| set(&mut policy.require_encryption, value),
        read: |policy| word(policy.require_encryption),
    },
    Setting {
        name: "send-whitespace-tag",
        values: YES_NO,
        means: "Clear text carries an invisible offer to encrypt",
        write: |policy, value| set(&mut policy.send_whitespace_tag, value),
        read: |policy| word(policy.send_whitespace_tag),
    },
    Setting {
        name: "start-on-whitespace-tag",
        values: YES_NO,
        means: "Such an offer of theirs starts an encrypted conversation",
        write: |policy, value| set(&mut policy.start_on_whitespace_tag, value),
        read: |policy| word(policy.start_on_whitespace_tag),
    },
    Setting {
        name: "start-on-error",
        values: YES_NO,
        means: "An error that they report starts an encrypted conversation, or fresh keys in a running one",
        write: |policy, value| set(&mut policy.start_on_error, value),
        read: |policy| word(policy.start_on_error),
    },
    Setting {
        name: "require-interactive",
        values: YES_NO,
        means: "Conversations begin only when both are there; prekeys are not used",
        write: |policy, value| set(&mut policy.require_interactive, value),
        read: |policy| word(policy.require_interactive),
    },
    Setting {
        name: "start-on-identity",
        values: YES_NO,
        means: "They may start an encrypted conversation that you have not asked for",
        write: |policy, value| set(&mut policy.start_on_identity, value),
        read: |policy| word(policy.start_on_identity),
    },
    Setting {
        name: "require-authenticated",
        values: YES_NO,
        means: "Only keys that you have verified: `client-demo verify`",
        write: |policy, value| set(&mut policy.require_authenticated, value),
        read: |policy| word(policy.require_authenticated),
    },
    Setting {
        name: "padding",
        values: "off|classes|BYTES",
        means: "Messages are filled up to 256, 512, 1024 … bytes (classes), or to a multiple, to hide how long a text is",
        write: |policy, value| {
            policy.padding = match value {
                "off" => Padding::Off,
                "classes" => Padding::Classes,
                number => Padding::Multiple(
                    number
                        .parse::<NonZeroU16>()
                        .map_err(|_| "off, classes, or a number of bytes from 1 to 65535".to_owned())?,
                ),
            };
            Ok(())
        },
        read: |policy| match policy.padding {
            Padding::Off => "off".to_owned(),
            Padding::Classes => "classes".to_owned(),
            Padding::Multiple(of) => of.to_string(),
        },
    },
    Setting {
        name: "expire-online",
        values: TIME,
        means: "A conversation that began with both there ends when they have not answered for so long",
        write: |policy, value| {
            policy.expiry.online = seconds(value)?;
            Ok(())
        },
        read: |policy| time(policy.expiry.online),
    },
    Setting {
        name: "expire-offline",
        values: TIME,
        means: "The same for one that began while one was away",
        write: |policy, value| {
            policy.expiry.offline = seconds(value)?;
            Ok(())
        },
        read: |policy| time(policy.expiry.offline),
    },
    Setting {
        name: "heartbeat",
        values: "off|TIME",
        means: "Who only listens sends an empty message after so long, so that keys are renewed; they see that you are there",
        write: |policy, value| {
            policy.heartbeat_after = if value == "off" { None } else { Some(seconds(value)?) };
            Ok(())
        },
        read: |policy| policy.heartbeat_after.map_or("off".to_owned(), time),
    },
];

/// What of the wished versions is there.
pub(crate) fn versions(digits: &str) -> Result<Chosen, String> {
    if digits.is_empty() || digits.chars().any(|digit| !matches!(digit, '2'..='4')) {
        return Err("give the digits of versions from 2 to 4, such as 4, 34 or 234".to_owned());
    }
    let newer: String = digits.chars().filter(|digit| *digit != '2').collect();
    Ok(Chosen { versions: Versions::from_digits(newer), allow_v2: digits.contains('2') })
}

/// Versions as a person names them: in a policy, version 2 stands apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) versions: Versions,
    pub(crate) allow_v2: bool,
}

impl Chosen {
    /// Whether any of them needs the key of version 3.
    pub(crate) const fn needs_v3_key(self) -> bool {
        self.allow_v2 || self.versions.contains(3)
    }
}

fn set(flag: &mut bool, value: &str) -> Result<(), String> {
    *flag = match value {
        "yes" => true,
        "no" => false,
        _ => return Err("yes or no".to_owned()),
    };
    Ok(())
}

fn word(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

/// Seconds, from a number of them or a time such as `90s`, `2h 30m`, `14days`.
fn seconds(text: &str) -> Result<u32, String> {
    let number = text.parse::<u64>().ok();
    let seconds = number.or_else(|| humantime::parse_duration(text).ok().map(|time| time.as_secs()));
    seconds
        .and_then(|seconds| u32::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "a time such as 90s, 2h 30m or 14days; at least a second".to_owned())
}

fn time(seconds: u32) -> String {
    humantime::format_duration(Duration::from_secs(seconds.into())).to_string()
}

const MODE: &str = "mode";
const YES_NO: &str = "yes|no";
const TIME: &str = "TIME";

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> &'static Setting {
        SETTINGS.iter().find(|setting| setting.name == name).expect("a setting")
    }

    fn settings(values: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in values {
            settings.set(setting(name), setting(name).check(value).expect("a value"));
        }
        settings
    }

    #[test]
    fn what_is_read_is_shown_and_read_again() {
        for (name, value, shown) in [
            ("mode", "compatible", "compatible"),
            ("mode", "standalone", "standalone"),
            ("mode", "interactive-only", "interactive-only"),
            ("versions", "4", "4"),
            ("require-encryption", "no", "no"),
            ("send-whitespace-tag", "yes", "yes"),
            ("start-on-whitespace-tag", "no", "no"),
            ("start-on-error", "yes", "yes"),
            ("require-interactive", "yes", "yes"),
            ("start-on-identity", "no", "no"),
            ("require-authenticated", "yes", "yes"),
            ("padding", "off", "off"),
            ("padding", "classes", "classes"),
            ("padding", "100", "100"),
            ("expire-online", "7200", "2h"),
            ("expire-online", "90min", "1h 30m"),
            ("expire-offline", "14days", "14days"),
            ("heartbeat", "90", "1m 30s"),
            ("heartbeat", "off", "off"),
        ] {
            assert_eq!(setting(name).check(value).as_deref(), Ok(shown), "{name}");
            assert_eq!(setting(name).check(shown).as_deref(), Ok(shown), "{name}");
        }
    }

    #[test]
    fn every_setting_changes_the_policy_and_none_of_the_others() {
        let other = |setting: &Setting| match setting.name {
            "mode" => "standalone",
            "versions" => "4",
            "padding" => "16",
            "expire-online" | "expire-offline" | "heartbeat" => "77s",
            _ if setting.of(&Settings::policy(&[])) == "yes" => "no",
            _ => "yes",
        };
        for setting in SETTINGS {
            let policy = Settings::policy(&[&settings(&[(setting.name, other(setting))])]);
            assert_eq!(setting.of(&policy), setting.check(other(setting)).expect("a value"));
            for another in SETTINGS.iter().filter(|another| another.name != setting.name) {
                assert_eq!(another.of(&policy), another.of(&Settings::policy(&[])), "{}", another.name);
            }
        }
    }

    #[test]
    fn bad_values_are_refused_with_what_would_be_good() {
        for (name, value) in [
            ("mode", "v3"),
            ("mode", ""),
            ("versions", "44x"),
            ("versions", "23"),
            ("versions", ""),
            ("require-encryption", "true"),
            ("padding", "0"),
            ("padding", "65536"),
            ("padding", "on"),
            ("expire-online", "0"),
            ("expire-online", "off"),
            ("expire-online", "-5"),
            ("expire-online", "200years"),
            ("heartbeat", "0"),
            ("heartbeat", "soon"),
        ] {
            assert!(setting(name).check(value).is_err_and(|why| !why.is_empty()), "{name} {value}");
        }
    }

    #[test]
    fn a_contact_counts_more_than_everybody_and_both_more_than_the_mode() {
        let everybody = settings(&[("mode", "standalone"), ("heartbeat", "off"), ("padding", "16")]);
        let contact =
            settings(&[("mode", "interactive-only"), ("padding", "off"), ("require-encryption", "no")]);
        let policy = Settings::policy(&[&everybody, &contact]);
        assert_eq!(
            policy,
            Policy {
                padding: Padding::Off,
                heartbeat_after: None,
                require_encryption: false,
                ..Policy::interactive_only()
            }
        );
        let policy = Settings::policy(&[&everybody, &Settings::default()]);
        assert_eq!(policy.operation, OperationMode::Standalone);
        assert_eq!(setting("padding").of(&policy), "16");
        assert_eq!(
            Settings::policy(&[]),
            Policy { require_encryption: true, padding: Padding::Classes, ..Policy::default() }
        );
    }
}
