//! What the program runs by: an option on the command line beats its environment variable, both beat the config file, and
//! that beats the default.

use crate::arguments::{Database, DatabaseOption, HashIdentities, KeyFile, Listen, LogFormat, Serve, Xmpp};
use otrv4::prekey_server::ServerIdentity;
use prekey_server::account::Identity;
use prekey_server::{IllegalSettings, Settings, key_file};
use serde::Deserialize;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where the server listens unless it is told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7448);

/// The config file, as it was when it was read; an empty one if none was named.
#[derive(Debug, Default)]
pub(crate) struct Config {
    path: Option<PathBuf>,
    file: File,
}

/// The keys of the file: the names of the options, and the rules under one heading.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    database: Option<Database>,
    identity: Option<Name>,
    key_file: Option<PathBuf>,
    hash_identities: bool,
    metrics_listen: Option<SocketAddr>,
    xmpp_component: Option<String>,
    xmpp_secret_file: Option<PathBuf>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    rules: Settings,
}

/// The server's name, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = prekey_server::account::IllegalIdentity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Identity::new(&text)?;
        Ok(Self(text))
    }
}

/// All that `serve` needs to know.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) listen: SocketAddr,
    pub(crate) database: Database,
    pub(crate) identity: String,
    pub(crate) key_file: PathBuf,
    pub(crate) hash_identities: bool,
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where an XMPP server takes components, and the file with their secret.
    pub(crate) xmpp: Option<(String, PathBuf)>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) rules: Settings,
}

/// Why there is nothing to run by; each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("config file {path}: {1}; --config or PREKEY_SERVER_CONFIG names it", path = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("config file {path}, {place}: {message}", path = .path.display())]
    Illegal { path: PathBuf, place: Place, message: String },
    #[error("rules.{0}")]
    Rules(#[from] IllegalSettings),
    #[error("xmpp_component and xmpp_secret_file belong together: only one of them is given")]
    HalfXmpp,
    #[error("no {key} is given: name it by --{option}, by {variable}, or as `{key}` in a config file")]
    Missing { key: &'static str, option: &'static str, variable: &'static str },
}

impl Config {
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.into(), error))?;
        let file = toml::from_str(&text).map_err(|error| ConfigError::Illegal {
            path: path.into(),
            place: Place::of(error.span(), &text),
            // Not the library's whole text: it shows the line, and that can hold a password.
            message: error.message().to_owned(),
        })?;
        Ok(Self { path: Some(path.into()), file })
    }

    pub(crate) fn listen(&self, option: &Listen) -> SocketAddr {
        option.listen.or(self.file.listen).unwrap_or(LISTEN)
    }

    pub(crate) fn database(&self, option: &DatabaseOption) -> Result<Database, ConfigError> {
        option.location.clone().or_else(|| self.file.database.clone()).ok_or(ConfigError::Missing {
            key: "database",
            option: "database",
            variable: "PREKEY_SERVER_DATABASE",
        })
    }

    pub(crate) fn key_file(&self, option: &KeyFile) -> Result<PathBuf, ConfigError> {
        option.path.clone().or_else(|| self.file.key_file.clone()).ok_or(ConfigError::Missing {
            key: "key_file",
            option: "key-file",
            variable: "PREKEY_SERVER_KEY_FILE",
        })
    }

    fn hash_identities(&self, option: &HashIdentities) -> bool {
        option.on || self.file.hash_identities
    }

    /// Whose key hashes the identities in the database, if they are hashed.
    pub(crate) fn hashed_by(
        &self,
        hash: &HashIdentities,
        key: &KeyFile,
    ) -> Result<Option<ServerIdentity>, Box<dyn std::error::Error>> {
        if !self.hash_identities(hash) {
            return Ok(None);
        }
        // The server's name does not enter the hashes.
        Ok(Some(key_file::load(&self.key_file(key)?, "")?))
    }

    fn identity(&self, options: &Serve) -> Result<String, ConfigError> {
        let of_file = || self.file.identity.clone().map(|Name(name)| name);
        options.identity.clone().or_else(of_file).ok_or(ConfigError::Missing {
            key: "identity",
            option: "identity",
            variable: "PREKEY_SERVER_IDENTITY",
        })
    }

    fn xmpp(&self, options: &Xmpp) -> Result<Option<(String, PathBuf)>, ConfigError> {
        let component = options.component.clone().or_else(|| self.file.xmpp_component.clone());
        let secret_file = options.secret_file.clone().or_else(|| self.file.xmpp_secret_file.clone());
        match (component, secret_file) {
            (Some(component), Some(secret_file)) => Ok(Some((component, secret_file))),
            (None, None) => Ok(None),
            _ => Err(ConfigError::HalfXmpp),
        }
    }

    pub(crate) fn serve(&self, options: &Serve) -> Result<Chosen, ConfigError> {
        let log = options.log.clone().or_else(|| self.file.log.clone());
        let mut rules = self.file.rules.clone();
        rules.limits.enabled &= !options.no_limits;
        if let Some(proxies) = &options.trusted_proxies {
            rules.trusted_proxies.clone_from(proxies);
        }
        rules.check()?;
        Ok(Chosen {
            listen: self.listen(&options.listen),
            database: self.database(&options.database)?,
            identity: self.identity(options)?,
            key_file: self.key_file(&options.key)?,
            hash_identities: self.hash_identities(&options.hash),
            metrics_listen: options.metrics_listen.or(self.file.metrics_listen),
            xmpp: self.xmpp(&options.xmpp)?,
            log: log.unwrap_or_else(|| "info".into()),
            log_format: options.log_format.or(self.file.log_format).unwrap_or(LogFormat::Text),
            rules,
        })
    }

    /// Prints what `serve` would run by, after all that can be checked without making or changing anything.
    pub(crate) fn check(&self, options: &Serve, out: &mut impl io::Write) -> crate::Done {
        let chosen = self.serve(options)?;
        crate::log::parse(&chosen.log)?;
        match key_file::load(&chosen.key_file, &chosen.identity) {
            Ok(_) | Err(key_file::KeyFileError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        crate::xmpp_server(&chosen)?;
        match &self.path {
            Some(path) => writeln!(out, "config file: {}", path.display())?,
            None => writeln!(out, "config file: none")?,
        }
        write!(out, "{chosen}")?;
        Ok(())
    }
}

impl Chosen {
    /// Names of the options that are other ones here, and that a running server cannot change.
    pub(crate) fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let changed = [
            ("listen", self.listen != new.listen),
            ("database", self.database != new.database),
            ("identity", self.identity != new.identity),
            ("key_file", self.key_file != new.key_file),
            ("hash_identities", self.hash_identities != new.hash_identities),
            ("metrics_listen", self.metrics_listen != new.metrics_listen),
            ("xmpp_component or xmpp_secret_file", self.xmpp != new.xmpp),
            ("log_format", self.log_format != new.log_format),
        ];
        changed.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listen: {}", self.listen)?;
        writeln!(f, "database: {}", self.database)?;
        writeln!(f, "identity: {}", self.identity)?;
        writeln!(f, "key_file: {}", self.key_file.display())?;
        writeln!(f, "hash_identities: {}", self.hash_identities)?;
        match self.metrics_listen {
            Some(address) => writeln!(f, "metrics_listen: {address}")?,
            None => writeln!(f, "metrics_listen: none")?,
        }
        match &self.xmpp {
            Some((component, secret_file)) => {
                writeln!(f, "xmpp_component: {component}")?;
                writeln!(f, "xmpp_secret_file: {}", secret_file.display())?;
            }
            None => writeln!(f, "xmpp_component: none")?,
        }
        writeln!(f, "log: {}", self.log)?;
        writeln!(f, "log_format: {}", if self.log_format == LogFormat::Json { "json" } else { "text" })?;
        writeln!(f, "rules: {:#?}", self.rules)
    }
}

/// Where in the file something is wrong.
#[derive(Debug)]
pub(crate) struct Place {
    line: usize,
    key: Option<String>,
}

impl Place {
    fn of(span: Option<Range<usize>>, text: &str) -> Self {
        let start = span.map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default();
        // What stands before the `=` is a name, whatever comes behind it; a line without one could be anything.
        let key = line.split_once('=').map(|(key, _)| key.trim().to_owned());
        Self { line: number + 1, key: key.filter(|key| is_key(key)) }
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.key.iter().try_for_each(|key| write!(f, ", {key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> String {
        let error = toml::from_str::<File>(text).expect_err("an error");
        Place::of(error.span(), text).to_string()
    }

    #[test]
    fn what_is_wrong_is_found_by_line_and_key() {
        assert_eq!(place("colour = \"red\""), "line 1, colour");
        assert_eq!(place("\n# a comment\nlisten = \"nowhere\"\n"), "line 3, listen");
        assert_eq!(place("log = \"info\"\n[rules]\nregistration = \"ajar\"\n"), "line 3, registration");
        assert_eq!(place("log = \"info\"\n[rules]\nnothing = 1\n"), "line 3, nothing");
    }

    #[test]
    fn no_password_is_shown() {
        for text in
            ["postgres://prekey:SECRET@db/prekeys?sslmode=require", "postgres://prekey@db/x?password=SECRET"]
        {
            let database = Database::try_from(text.to_owned()).expect("a URL");
            let shown = format!("{database} {database:?}");
            assert!(shown.contains("postgres://prekey@db:5432/") && !shown.contains("SECRET"), "{shown}");
        }
        let broken = Database::try_from("postgres://prekey:SE/CRET@db:port/x".to_owned()).expect("text");
        assert!(!broken.to_string().contains("SE"), "{broken}");
    }
}
