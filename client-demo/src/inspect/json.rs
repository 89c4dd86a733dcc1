//! The parts of JSON, in its own words. As values a byte of it may take a hundred in memory. Used by [`super::input`] and [`mod@super::line`].

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// The value at the start of a text, and what follows it.
pub(super) fn value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    text.split_at_checked(values.byte_offset())
}

/// A text that is a single value.
pub(super) fn whole(text: &str) -> Option<&str> {
    value(text).filter(|(_, rest)| rest.trim().is_empty()).map(|(value, _)| value)
}

/// The values in a list, which has come from [`value`].
pub(super) fn elements(list: &str) -> Option<impl Iterator<Item = &str>> {
    let mut rest = list.strip_prefix('[')?;
    Some(std::iter::from_fn(move || {
        let (element, behind) = value(rest)?;
        rest = behind_comma(behind);
        Some(element)
    }))
}

/// The value of this name in an object, which has come from [`value`]; the last one if there are several.
pub(super) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = object.strip_prefix('{')?;
    let members = std::iter::from_fn(move || {
        let (key, behind) = value(rest)?;
        let (value, behind) = value(behind.trim_start().strip_prefix(':')?)?;
        rest = behind_comma(behind);
        Some((key, value))
    });
    members.filter(|(key, _)| string(key).is_some_and(|key| key == name)).last().map(|(_, value)| value)
}

/// What a value says that is a string.
pub(super) fn string(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

fn behind_comma(text: &str) -> &str {
    text.trim_start().strip_prefix(',').unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_wherever_they_end() {
        let list = r#" [1, "a,]", {"b": [2]} ,-3.5e1,null,[] ] x"#;
        let (list, rest) = value(list).expect("a list");
        assert_eq!(rest, " x");
        let parts: Vec<&str> = elements(list).expect("a list").collect();
        assert_eq!(parts, ["1", "\"a,]\"", "{\"b\": [2]}", "-3.5e1", "null", "[]"]);
        assert_eq!(elements("[ ]").expect("a list").count(), 0);
        let object = r#"{"a" : 1, "\u0062":[{"a": 2}], "a": "x" }"#;
        assert_eq!(whole(object), Some(object));
        assert_eq!(member(object, "a").and_then(string).as_deref(), Some("x"));
        assert_eq!(member(object, "b"), Some("[{\"a\": 2}]"));
        assert_eq!((member(object, "c"), member(list, "a"), string("1")), (None, None, None));
        for broken in ["", "[1", "[1,]", "{\"a\"}", "{} {}"] {
            assert_eq!(whole(broken), None, "{broken}");
        }
    }
}
