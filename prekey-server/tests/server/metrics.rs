//! What an operator's monitoring sees of a running server: health, metrics, logs; and that it sees no names.

use crate::client::{Device, Http, prekeys, rng};
use crate::process::{Process, launch, line, program};
use otrv4::prekey_server::{ServerReply, ensemble_query};
use otrv4::wire::{InstanceTag, Versions};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const BOB: &str = "bob@example.org";

/// A server with a listener for its operator.
fn start(folder: &Path, arguments: &[&str]) -> (Process, Http) {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org", "--log", "debug"]);
    command.args(["--no-limits", "--metrics-listen", "127.0.0.1:0"]).args(arguments);
    command.arg("--database").arg(folder.join("prekeys.db")).arg("--key-file").arg(folder.join("key"));
    command.stderr(File::create(folder.join("log")).expect("a file"));
    let (process, mut lines) = launch(command);
    let metrics = line(&mut lines, "metrics on ");
    (process, Http::new(metrics.strip_suffix("/metrics").expect("its path")))
}

fn metrics(operator: &Http) -> String {
    let answer = operator.get("/metrics").expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    answer.body
}

/// The value of the line that begins with this name and these labels.
fn value(metrics: &str, name: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.map(|value| value.parse::<f64>().expect("a number")).sum()
}

/// One of everything that can happen; gives the token.
fn everything(http: &Http) -> String {
    let token = http.register(BOB);
    let device = Device::new(http, BOB, &token);
    assert_eq!(device.publish(http, &prekeys([1, 2])), Ok(ServerReply::Success));
    for left in [1, 0] {
        assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
        assert_eq!(device.count(http), Ok(ServerReply::Status(left)));
    }
    assert!(http.fetch(BOB).expect("an answer").is_empty());
    assert!(http.fetch("nobody@example.org").expect("an answer").is_empty());
    let tag = InstanceTag::random(&mut rng());
    http.exchange(None, &ensemble_query(tag, "Not a name", Versions::V4)).expect("an answer");
    assert_eq!(http.message(Some(&token), b"nonsense").expect("an answer").status, 400);
    assert_eq!(http.message(None, b"nonsense").expect("an answer").status, 401);
    http.get("/v1/nothing/bob@example.org").expect("an answer");
    token
}

#[test]
fn metrics_count_what_happened_and_tell_drained_from_unknown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, operator) = start(folder.path(), &[]);
    let token = everything(&Http::new(&server.base));
    let mut text = metrics(&operator);
    for _ in 0..500 {
        if value(&text, "prekey_server_takes_total{outcome=\"unknown\"}") >= 2.0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        text = metrics(&operator);
    }
    for (name, expected) in [
        ("takes_total{outcome=\"answered\"}", 2.0),
        ("takes_total{outcome=\"drained\"}", 1.0),
        ("takes_total{outcome=\"unknown\"}", 2.0),
        ("publications_total{outcome=\"stored\"}", 1.0),
        ("prekeys_published_total", 2.0),
        ("prekeys_handed_out_total", 2.0),
        ("messages_total{kind=\"query\",outcome=\"answered\"}", 5.0),
        ("messages_total{kind=\"dake1\",outcome=\"answered\"}", 3.0),
        ("messages_total{kind=\"dake3\",outcome=\"answered\"}", 3.0),
        ("messages_total{kind=\"other\",outcome=\"refused\"}", 1.0),
        ("messages_total{kind=\"other\",outcome=\"unauthenticated\"}", 1.0),
        ("http_responses_total{path=\"/v1/accounts\",status=\"201\"}", 1.0),
        ("http_responses_total{path=\"/v1/messages\",status=\"200\"}", 11.0),
        ("http_responses_total{path=\"other\",status=\"404\"}", 1.0),
        ("database_duration_seconds_count{operation=\"take\"}", 4.0),
        ("database_duration_seconds_count{operation=\"publish\"}", 1.0),
        ("proof_check_duration_seconds_count", 7.0),
        ("proof_workers_busy", 0.0),
        ("proof_workers_waiting", 0.0),
    ] {
        assert!(text.contains(name), "{name}: {text}");
        assert_eq!(value(&text, &format!("prekey_server_{name}")), expected, "{name}: {text}");
    }
    assert!(
        text.contains(&format!("prekey_server_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")))
    );
    assert!(text.contains("prekey_server_database_errors_total{operation=\"publish\"} 0\n"), "{text}");
    let secret = token.split_once('.').expect("a dot").1;
    for private in ["bob", "nobody@", "Not a name", secret, "127.0.0.1"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
}

#[test]
fn the_public_listener_has_no_metrics_and_both_tell_life_and_readiness() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, operator) = start(folder.path(), &[]);
    let public = Http::new(&server.base);
    assert_eq!(public.get("/metrics").expect("an answer").status, 404);
    for http in [&public, &operator] {
        for path in ["/livez", "/readyz"] {
            let answer = http.get(path).expect("an answer");
            assert_eq!((answer.status, answer.body.as_str()), (200, "{\"status\":\"ok\"}"), "{path}");
        }
    }
    for path in ["/v1/server", "/v1/accounts", "/v1/messages"] {
        assert_eq!(operator.get(path).expect("an answer").status, 404, "{path}");
    }
}

#[test]
fn a_server_that_is_stopping_lives_and_is_not_ready() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, operator) = start(folder.path(), &[]);
    let address = server.base.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(address).expect("a connection");
    // The server has read the headers when it asks for the body: from then on the request runs.
    let headers = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n\
         Content-Length: 4\r\n\r\n";
    stream.write_all(headers.as_bytes()).expect("headers");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("a first answer");
    server.signal("-TERM");
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    let mut ready = operator.get("/readyz").expect("an answer");
    for _ in 0..500 {
        if ready.status == 503 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        ready = operator.get("/readyz").expect("an answer");
    }
    assert_eq!((ready.status, ready.header("content-type")), (503, "application/problem+json"));
    assert_eq!(ready.json()["detail"], "The server is stopping.");
    assert_eq!(operator.get("/livez").expect("an answer").status, 200);
    stream.write_all(b"AAQ.").expect("the body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn the_log_names_nobody_as_text_and_as_json() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut server, operator) = start(folder.path(), &["--log-format", format]);
        let token = everything(&Http::new(&server.base));
        metrics(&operator);
        server.kill();
        let log = fs::read_to_string(folder.path().join("log")).expect("a log");
        for event in ["publication stored", "query answered", "message refused"] {
            assert!(log.contains(event), "{event}: {log}");
        }
        let (name, secret) = token.split_once('.').expect("a dot");
        for private in [BOB, "bob", "nobody@", "Not a name", name, secret, "127.0.0.1"] {
            assert!(!log.contains(private), "{private}: {log}");
        }
        if format == "json" {
            let lines: Vec<serde_json::Value> =
                log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let stored = lines.iter().find(|line| line["message"] == "publication stored").expect("a line");
            assert_eq!((&stored["level"], &stored["prekeys"]), (&"INFO".into(), &2.into()));
            assert!(stored["timestamp"].is_string() && stored["target"].is_string());
        }
    }
}

#[test]
fn every_metric_that_an_alert_looks_at_is_there_with_its_labels() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (process, operator) = start(folder.path(), &[]);
    everything(&Http::new(&process.base));
    let text = metrics(&operator);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/prometheus/alerts.yml");
    let rules = fs::read_to_string(file).expect("the alerts");
    let selectors: Vec<&str> = rules.match_indices("prekey_server_").map(|(at, _)| &rules[at..]).collect();
    assert!(selectors.len() >= 7, "{}", selectors.len());
    for selector in selectors {
        let (name, rest) =
            selector.split_at(selector.find(|c| !matches!(c, 'a'..='z' | '_')).expect("an end"));
        let labels =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let labels: Vec<&str> = labels.split(',').map(str::trim).filter(|label| !label.is_empty()).collect();
        let is_it = |line: &&str| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' '])
                && labels.iter().all(|label| match label.split_once("=~") {
                    Some((key, _)) => rest.contains(&format!("{key}=\"")),
                    None => rest.contains(label),
                })
        };
        assert!(text.lines().any(|line| is_it(&line)), "{name} {labels:?}");
    }
}
