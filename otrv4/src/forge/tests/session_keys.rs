//! Session keys of version 3, beside conversations that libotr recorded.

use crate::Secret;
use crate::crypto::dh1536::Dh1536KeyPair;
use crate::forge::v3::session_keys;
use crate::vectors::{array, v3_file};

#[test]
fn the_recorded_session_id_comes_from_the_dh_keys_of_either_side() {
    let file = v3_file();
    for version in ["v3", "v2"] {
        let messages = file["sessions"][version]["messages"].as_array().expect("messages");
        let only = |kind| messages.iter().find(|message| message["kind"] == kind).expect("one of that kind");
        let (commit, dh_key) = (only("dh_commit"), only("dh_key"));
        let secrets = [&commit["x"], &dh_key["y"]].map(array::<40>);
        let public = secrets.map(|secret| Dh1536KeyPair::from_bytes(&secret).public().as_be_bytes().to_vec());
        for (ours, theirs) in [(0, 1), (1, 0)] {
            let keys = session_keys(&Secret::copied(&secrets[ours]), &public[theirs]).expect("two keys");
            assert_eq!(keys.session_id, array(&dh_key["ssid"]), "{version}");
        }
    }
}
