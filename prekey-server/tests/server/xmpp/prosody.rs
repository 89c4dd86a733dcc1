//! A real XMPP server for the tests: Prosody, in a folder of its own, on loopback ports of its own.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "the component's secret";

/// A running Prosody with the domain example.org, its users alice, bob and mallory, and a place for the component
/// prekey.example.org; killed when this is dropped.
pub(crate) struct Prosody {
    child: Child,
    pub(crate) folder: TempDir,
    pub(crate) client_port: u16,
    pub(crate) component_port: u16,
}

impl Prosody {
    /// `None` where it is not installed, with the reason printed; but a panic where PREKEY_SERVER_REQUIRE_XMPP wants it.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join("prosody"))
            .find(|program| program.exists())
        else {
            let required = std::env::var_os("PREKEY_SERVER_REQUIRE_XMPP").is_some();
            assert!(!required, "no prosody found; on Debian: apt-get install prosody");
            eprintln!("skipped: no prosody found");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (client_port, component_port) = (free_port(), free_port());
        let path = folder.path().to_str().expect("text");
        std::fs::write(folder.path().join("prosody.cfg.lua"), config(path, client_port, component_port))
            .expect("a configuration");
        let accounts = folder.path().join("data/example%2eorg/accounts");
        std::fs::create_dir_all(&accounts).expect("a folder");
        for user in ["alice", "bob", "mallory"] {
            let account = "return { [\"password\"] = \"password\" };\n";
            std::fs::write(accounts.join(format!("{user}.dat")), account).expect("an account");
        }
        let child = spawn(&program, folder.path());
        let mut prosody = Self { child, folder, client_port, component_port };
        prosody.wait();
        Some(prosody)
    }

    /// Ends it, without a word to anybody, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.child = spawn("prosody".as_ref(), self.folder.path());
        self.wait();
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let open = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !(open(self.client_port) && open(self.component_port)) {
            assert!(Instant::now() < deadline, "prosody does not listen");
            assert_eq!(self.child.try_wait().expect("a process"), None, "prosody has ended");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(program: &Path, folder: &Path) -> Child {
    Command::new(program)
        .args(["-F", "--config"])
        .arg(folder.join("prosody.cfg.lua"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prosody")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// Nothing but what the tests need: no servers beside it, no TLS, nothing on other addresses than loopback.
fn config(folder: &str, client_port: u16, component_port: u16) -> String {
    format!(
        r#"
run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}/data"
certificates = "{folder}"
log = {{ info = "{folder}/log" }}
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client_port} }}
component_ports = {{ {component_port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
modules_enabled = {{ "disco", "saslauth", "roster" }}
modules_disabled = {{ "s2s", "tls" }}
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
VirtualHost "example.org"
Component "prekey.example.org"
    component_secret = "{SECRET}"
    name = "OTR Prekey Server"
"#
    )
}
