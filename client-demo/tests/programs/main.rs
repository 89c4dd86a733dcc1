//! The programs as processes: two pipes that talk, the everyday commands with a prekey server, the story.

mod everyday;
mod pipe;
mod process;
