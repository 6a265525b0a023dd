//! Lines: where in a document something is named, found by its name as it was written. Names come
//! mostly in the order of the document, so that each search goes on where the last one ended.

use memchr::memmem;

/// A document's lines.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    first: u32,
    at: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(text: &'a [u8], first: u32) -> Self {
        Self { text, first, at: 0, line: first }
    }

    /// The line that names `name`: the next one, else the first one, else that of the document.
    pub(super) fn of(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return self.first;
        }
        let quoted = serde_json::to_string(name).unwrap_or_default();
        self.seek(quoted.as_bytes()).or_else(|| self.seek(name.as_bytes())).unwrap_or(self.first)
    }

    /// The line that has `name` for a key.
    pub(super) fn of_key(&mut self, name: &str) -> u32 {
        let quoted = serde_json::to_string(name).unwrap_or_default();
        self.seek(format!("{quoted}:").as_bytes()).unwrap_or_else(|| self.of(name))
    }

    fn seek(&mut self, wanted: &[u8]) -> Option<u32> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(found) = memmem::find(rest, wanted) {
            let passed = rest.get(..found).unwrap_or_default();
            self.line = self.line.saturating_add(newlines(passed));
            self.at = self.at.saturating_add(found);
            return Some(self.line);
        }
        let found = memmem::find(self.text, wanted)?;
        Some(self.first.saturating_add(newlines(self.text.get(..found).unwrap_or_default())))
    }
}

fn newlines(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn names_have_the_lines_they_are_written_on() {
        let text = b"{\n \"a\": \"one\",\n \"b\": \"two\"\n}\n{\"one\": 1}";
        let mut lines = Lines::new(text, 10);
        assert_eq!((lines.of("one"), lines.of("two")), (11, 12));
        assert_eq!(lines.of("a"), 11, "what stands before is found too");
        assert_eq!((lines.of_key("one"), lines.of_key("two")), (14, 12), "a key before a value");
        assert_eq!((lines.of("nowhere"), lines.of("")), (10, 10));
    }
}
