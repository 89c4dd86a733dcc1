//! What nobody can use any more goes by itself, and `stats` shows it.

use crate::client::{Device, Http, prekeys, rng};
use crate::process::{Process, launch, program};
use otrv4::prekey_server::ServerReply;
use otrv4::wire::InstanceTag;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const BOB: &str = "bob@example.org";

/// A server that keeps devices for so many days after the end of their profiles.
fn start(folder: &Path, retention: u32) -> Process {
    let (config, database, key) = (folder.join("config"), folder.join("prekeys.db"), folder.join("key"));
    let text =
        format!("database = {database:?}\nkey_file = {key:?}\n[rules]\nretention_days = {retention}\n");
    std::fs::write(&config, text).expect("a file");
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org", "--log", "error"]);
    command.arg("--config").arg(config);
    launch(command).0
}

fn stats(folder: &Path, json: bool) -> String {
    let mut command = program();
    command.args(["stats", "--config"]).arg(folder.join("config"));
    if json {
        command.arg("--json");
    }
    String::from_utf8(command.output().expect("the program").stdout).expect("text")
}

fn figures(folder: &Path) -> Value {
    serde_json::from_str(&stats(folder, true)).expect("JSON")
}

#[test]
fn an_expired_device_goes_and_what_it_gave_away_stays_known() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = start(folder.path(), 30);
    let http = Http::new(&server.base);
    let token = http.register(BOB);
    let lasting = Device::new(&http, BOB, &token);
    assert_eq!(lasting.publish(&http, &prekeys([1])), Ok(ServerReply::Success));
    let ends = prekey_server::now().plus(8);
    let brief = Device::until(&http, BOB, &token, InstanceTag::random(&mut rng()), ends);
    let stock = prekeys([1, 2, 3]);
    assert_eq!(brief.publish(&http, &stock), Ok(ServerReply::Success));
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 2);

    let counts = |figures: &Value| {
        ["accounts", "devices", "drained_devices", "waiting_prekeys", "handed_out_prekeys"]
            .map(|name| figures[name].as_u64().expect("a number"))
    };
    assert_eq!(counts(&figures(folder.path())), [1, 2, 1, 2, 2]);
    assert!(figures(folder.path())["database_bytes"].as_u64() > Some(4096));
    let text = stats(folder.path(), false);
    assert!(text.contains("devices             2, of which 1 have no prekey left\n"), "{text}");
    while prekey_server::now() < ends {
        std::thread::sleep(Duration::from_millis(100));
    }
    // Within its time of grace it stays.
    server.kill();
    server = start(folder.path(), 30);
    assert_eq!(http_after(&http, &server), 200);
    assert_eq!(counts(&figures(folder.path())), [1, 2, 1, 2, 2]);
    server.kill();
    server = start(folder.path(), 0);
    for _ in 0..500 {
        if counts(&figures(folder.path()))[1] == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(counts(&figures(folder.path())), [1, 1, 1, 0, 2]);

    // It comes back after all, and repeats what it had published: one of the three has been given away.
    assert_eq!(http_after(&http, &server), 200);
    let back = brief.renewed();
    assert_eq!(back.publish(&http, &stock), Ok(ServerReply::Success));
    assert_eq!(back.count(&http), Ok(ServerReply::Status(2)));
    assert_eq!(counts(&figures(folder.path())), [1, 2, 1, 2, 2]);
}

/// Requests go to this process from now on; the status of one.
fn http_after(http: &Http, server: &Process) -> u16 {
    http.moved_to(&server.base);
    http.get("/readyz").expect("an answer").status
}
