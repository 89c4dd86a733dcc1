//! Writes the seeds of all fuzz targets to their corpora in `otrv4/fuzz/corpus`.

use std::path::Path;
use std::{fs, io};

use otrv4_tests::fuzzing::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../otrv4/fuzz/corpus");
    for (target, _) in TARGETS {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        let seeds = seeds::of(target);
        for (n, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{n:03}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}
