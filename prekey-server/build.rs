//! Rebuilds the server when a migration changes: `sqlx::migrate!` embeds the folder without cargo's knowledge.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
