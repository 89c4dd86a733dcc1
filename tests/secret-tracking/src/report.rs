//! What valgrind has found, read from its XML.

use std::path::Path;
use std::{fmt, fs};

use rustc_demangle::demangle;

/// A place where a branch or an address depends on a secret.
pub struct Finding {
    /// A branch, or an address.
    pub what: &'static str,
    /// The innermost first.
    pub stack: Vec<Frame>,
}

/// A function that was running, or that was compiled into its caller.
pub struct Frame {
    /// Without its crate's hash; inlined functions have no path.
    pub function: String,
    /// File and line.
    pub place: String,
    /// What stands on that line, if the source is at hand.
    pub source: String,
    /// Whether the function only does what its caller has chosen, as those of [`HAND_ON`] and of C's library do.
    pub hands_on: bool,
}

/// The findings of one run; those with the same stack are one.
pub fn read(xml: &str) -> Result<Vec<Finding>, roxmltree::Error> {
    let document = roxmltree::Document::parse(xml)?;
    let errors = document.descendants().filter(|node| node.has_tag_name("error"));
    Ok(errors.filter_map(finding).collect())
}

fn finding(error: roxmltree::Node<'_, '_>) -> Option<Finding> {
    let what = match text(error, "kind")? {
        "UninitCondition" => "branch",
        "UninitValue" => "address",
        // What is not freed here is not freed on purpose.
        leak if leak.starts_with("Leak_") => return None,
        _ => "other",
    };
    let stack = error.children().find(|node| node.has_tag_name("stack"))?;
    let frames = stack.children().filter(|node| node.has_tag_name("frame"));
    Some(Finding { what, stack: frames.map(frame).collect() })
}

fn frame(node: roxmltree::Node<'_, '_>) -> Frame {
    let function = format!("{:#}", demangle(text(node, "fn").unwrap_or("?")));
    let (dir, file) = (text(node, "dir").unwrap_or(""), text(node, "file").unwrap_or("?"));
    let line = text(node, "line").and_then(|line| line.parse().ok()).unwrap_or(0_usize);
    // A file's name has its folder in it or not, as the compiler left it.
    let path = Path::new(dir).join(file);
    let source = fs::read_to_string(&path).unwrap_or_default();
    let source = source.lines().nth(line.wrapping_sub(1)).unwrap_or_default().trim().into();
    let object = text(node, "obj").unwrap_or_default();
    let of_c = file == "?" && ["/vgpreload_", "/libc.so"].iter().any(|part| object.contains(part));
    let hands_on = of_c || HAND_ON.iter().any(|part| path.to_string_lossy().contains(part));
    Frame { function, place: format!("{file}:{line}"), source, hands_on }
}

fn text<'a>(node: roxmltree::Node<'a, '_>, tag: &str) -> Option<&'a str> {
    node.children().find(|child| child.has_tag_name(tag))?.text()
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.what)?;
        for Frame { function, place, source, hands_on } in &self.stack {
            // Where it happens is the first line without a dot.
            let mark = if *hands_on { '.' } else { ' ' };
            writeln!(f, "  {mark} {place}  {function}")?;
            if !source.is_empty() {
                writeln!(f, "        {source}")?;
            }
            if function.ends_with("::main") {
                break;
            }
        }
        Ok(())
    }
}

/// Where functions come from that compare, select, copy, wipe, read or write what they are given, so that the line which gives it
/// to them has to answer for it.
const HAND_ON: &[&str] = &[
    "/library/core/",
    "/library/alloc/",
    "/library/std/",
    "/subtle-",
    "/ctutils-",
    "/cmov-",
    "/zeroize-",
    "/base64-",
    "/otrv4/src/wire/mod.rs",
];
