//! Where the members of a JSON object stand in its text, so that the object of a request reaches
//! the module byte for byte, unread here.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Hands the members of an object to `each`, as the text of their values.
///
/// Every value is checked to be JSON, so that a span can stand in another document.
///
/// # Errors
/// Says what is wrong with the text; also if the object has a member twice.
pub(super) fn members<'a>(json: &'a str, mut each: impl FnMut(&str, &'a str)) -> Result<(), String> {
    let mut rest = json.trim_ascii().strip_prefix('{').ok_or("it is not a JSON object")?.trim_ascii_start();
    let mut seen = Vec::new();
    if rest.starts_with('}') {
        return end(rest);
    }
    loop {
        let (key, after) = value::<String>(rest)?;
        let text = after.trim_ascii_start().strip_prefix(':').ok_or_else(|| format!("`{}` has no value", cut(&key)))?;
        let text = text.trim_ascii_start();
        let (IgnoredAny, after) = value(text)?;
        if seen.contains(&key) {
            return Err(format!("it has the member `{}` twice", cut(&key)));
        }
        // The members of requests and reviews are few; a list that is not is somebody's joke.
        if seen.len() == 256 {
            return Err("it has more than 256 members".into());
        }
        each(&key, text.get(..text.len() - after.len()).unwrap_or_default());
        seen.push(key);
        rest = after.trim_ascii_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_ascii_start(),
            None => return end(rest),
        }
    }
}

/// The value at the start of a text, and what follows it.
fn value<'a, T: Deserialize<'a>>(text: &'a str) -> Result<(T, &'a str), String> {
    let mut values = Deserializer::from_str(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok((value, text.get(values.byte_offset()..).unwrap_or_default())),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it ends too early".into()),
    }
}

fn end(rest: &str) -> Result<(), String> {
    match rest.strip_prefix('}') {
        Some("") => Ok(()),
        Some(_) => Err("something follows it".into()),
        None => Err("a comma or a brace is missing".into()),
    }
}

/// As much of a hostile name as a message needs.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::members;

    fn cut(json: &str) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        members(json, |key, text| found.push((key.to_owned(), text.to_owned()))).map(|()| found)
    }

    #[test]
    fn members_are_cut_as_they_stand() {
        let json = r#" { "a" : {"x":[1, "}"]} ,"b\n":"q\"","c":1e5,"d":null,"e":[] , "f":true}
"#;
        let expected =
            [("a", r#"{"x":[1, "}"]}"#), ("b\n", r#""q\"""#), ("c", "1e5"), ("d", "null"), ("e", "[]"), ("f", "true")];
        assert_eq!(cut(json).unwrap(), expected.map(|(key, text)| (key.to_owned(), text.to_owned())));
        assert_eq!(cut("{}").unwrap(), []);
        assert_eq!(cut("{ }").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in [
            "",
            "[]",
            "null",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "{\"a\":[}]}",
            "{\"a\":{]}",
            "{\"a\":1}}",
            "{\"a\":1} x",
            "{\"a\":tru}",
            "{\"a\":01}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":\"\n\"}",
            "{\"a\":1},\"settings\":{}",
        ] {
            assert!(cut(json).is_err(), "{json}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let json = format!("{{\"a\":{}1{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(cut(&json).unwrap().first().unwrap().1.len(), 2_000_001);
    }
}
