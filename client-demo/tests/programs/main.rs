//! The programs as processes: two pipes that talk and verify each other, the everyday commands with a prekey server, the
//! story.

mod everyday;
mod forge;
mod inspect;
mod libotr;
mod life;
mod moving;
mod oblivious;
mod pipe;
mod process;
mod smp;
mod trust;
mod world;
