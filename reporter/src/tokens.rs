//! Tokens that somebody else's text holds: a log, an error that Azure answered. They are never shown.

use std::borrow::Cow;

/// A JSON web token's first part, the Base64 of `{"`, begins so (RFC 7519, section 3.1).
const BEGINS: &str = "eyJ";
/// What begins so and is shorter, in bytes, is a word.
const SHORTEST: usize = 40;

/// The text with `…` in place of every JSON web token.
pub(crate) fn hide(text: &str) -> Cow<'_, str> {
    if !text.contains(BEGINS) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGINS) {
        let (before, token) = rest.split_at(at);
        let of_token = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '=' | '%');
        let (token, after) = token.split_at(token.find(|letter| !of_token(letter)).unwrap_or(token.len()));
        shown.push_str(before);
        shown.push_str(if token.len() < SHORTEST { token } else { "…" });
        rest = after;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn tokens_are_hidden_and_nothing_else() {
        let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJ{}.c2ln-_", "x".repeat(50));
        for (text, shown) in [
            (format!("Bearer {token} failed"), "Bearer … failed"),
            (format!("{token},`{token}`"), "…,`…`"),
            (format!("assertion={token}&scope=eyJ"), "assertion=…&scope=eyJ"),
            ("eyJ is how they begin".into(), "eyJ is how they begin"),
            ("ö, no token".into(), "ö, no token"),
        ] {
            assert_eq!(hide(&text), shown);
        }
    }
}
