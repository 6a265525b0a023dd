//! A text somebody pasted: which errors are in it, and which issuer, subject, audience, client and
//! tenant it names. Nothing else of it is kept: a log may hold tokens.

use std::collections::BTreeSet;

use regex::bytes::Regex;
use serde::Serialize;

use super::errors::{self, Known};

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The digits of its codes of Entra, in order and once each.
    pub(super) codes: Vec<String>,
    /// What it names.
    pub(super) values: Values,
    /// Itself, in lower case and with single spaces, until it has been looked through.
    folded: String,
}

/// What a text names of the chain; the first of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Values {
    /// The issuer of the token that was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    /// Its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    /// Its audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audience: Option<String>,
    /// The client id that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    /// The tenant that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
}

/// Patterns by what they find; the first that matches counts.
const ISSUER: &[&str] = &[
    r"(?:^|[^'`\w])issuer:?\s*['`]([^'`\s]{1,600})['`]",
    r#"['"`]issuer['"`]\s*[:=]\s*['"`]([^'"`\s]{1,600})['"`]"#,
    r#"\biss"?\s*[:=]\s*"?(https://[^"'\s,}]{1,600})"#,
];
const SUBJECT: &[&str] = &[
    r"(?:^|[^'`\w])subject:?\s*['`]([^'`]{1,600})['`]",
    r#"['"`]subject['"`]\s*[:=]\s*['"`]([^'"`]{1,600})['"`]"#,
    r"(system:serviceaccount:[a-z0-9.-]{1,253}:[a-z0-9.-]{1,253})",
];
const AUDIENCE: &[&str] =
    &[r"(?:^|[^'`\w])audience:?\s*['`]([^'`]{1,600})['`]", r"token for audience (\S{1,600}) not found"];
const CLIENT: &[&str] = &[
    r"application with identifier\s*['`]([^'`]{1,300})['`]",
    r"the client\s*['`]([^'`]{1,300})['`]",
    r"client application\s*['`]?([0-9a-f]{8}-[0-9a-f-]{27})",
    r"\bfor app(?:lication)?\s*['`]([0-9a-f]{8}-[0-9a-f-]{27})",
    r"\bapplication\s*['`]([0-9a-f]{8}-[0-9a-f-]{27})",
    r#"(?:azure_client_id|client[_ ]?id)["'\s:=]{1,6}([0-9a-f]{8}-[0-9a-f-]{27})"#,
];
const TENANT: &[&str] = &[
    r"directory\s*['`]([^'`]{1,300})['`]",
    r"tenant\s*['`]([^'`]{1,300})['`]",
    r"in the tenant\s*['`]?([0-9a-f]{8}-[0-9a-f-]{27})",
    r"login\.(?:microsoftonline\.com|microsoftonline\.us|chinacloudapi\.cn|partner\.microsoftonline\.cn)/+([^/\s]{1,300})/+oauth2",
    r#"(?:azure_tenant_id|tenant[_ ]?id)["'\s:=]{1,6}([0-9a-f]{8}-[0-9a-f-]{27})"#,
];

impl Text {
    /// Looks through a text.
    pub(super) fn read(text: &str) -> Self {
        let plain = unescaped(text);
        let values = Values {
            issuer: first(ISSUER, &plain),
            subject: first(SUBJECT, &plain),
            audience: first(AUDIENCE, &plain),
            client_id: first(CLIENT, &plain),
            tenant: first(TENANT, &plain),
        };
        let folded = plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let mut codes = codes(&plain);
        if codes.is_empty() {
            codes.extend(errors::spoken(&folded).map(str::to_owned));
        }
        Self { codes, values, folded }
    }

    #[cfg(test)]
    pub(super) fn said_without_codes(&self) -> Option<&'static str> {
        errors::spoken(&self.folded)
    }

    /// The errors that are known, and by which code, in order: codes first, then words in the order of
    /// the table.
    pub(super) fn known(&self) -> Vec<(&'static Known, Option<&str>)> {
        let of_code = |code: &String| errors::all().find(|known| known.codes.contains(&code.as_str()));
        let mut known: Vec<(&'static Known, Option<&str>)> =
            self.codes.iter().filter_map(|code| Some((of_code(code)?, Some(code.as_str())))).collect();
        known.extend(errors::all().filter(|known| known.is_said_in(&self.folded)).map(|known| (known, None)));
        known
    }

    /// Whether it holds an error, known or not.
    pub(super) fn says(&self) -> bool {
        !self.codes.is_empty() || !self.known().is_empty()
    }

    /// The codes of which nothing is known.
    pub(super) fn unknown_codes(&self) -> Vec<&str> {
        let known = |code: &str| errors::all().any(|known| known.codes.contains(&code));
        self.codes.iter().map(String::as_str).filter(|code| !known(code)).collect()
    }
}

impl Values {
    /// Their names and themselves.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("issuer", &self.issuer),
            ("subject", &self.subject),
            ("audience", &self.audience),
            ("client id", &self.client_id),
            ("tenant", &self.tenant),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// What was quoted in JSON in a log, perhaps twice, without its escapes. Letters and marks of ASCII are all that errors
/// are told by; .NET writes its quotation marks as `\u0027`, others as `\x27`.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('\\');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let escaped = [("u00", 5), ("x", 3)].into_iter().find_map(|(mark, length)| {
            let digits = piece.get(..length)?.strip_prefix(mark)?;
            let letter = u8::from_str_radix(digits, 16).ok().filter(|byte| byte.is_ascii_graphic())?;
            Some((char::from(letter), piece.get(length..)?))
        });
        match escaped {
            Some((letter, rest)) => {
                plain.push(letter);
                plain.push_str(rest);
            }
            None => plain.push_str(piece),
        }
    }
    plain
}

/// What the first pattern that matches finds, unless it is blotted out.
fn first(patterns: &[&str], text: &str) -> Option<String> {
    let found = patterns.iter().find_map(|pattern| {
        let pattern = Regex::new(&format!("(?i-u){pattern}")).ok()?;
        let all = pattern.captures_iter(text.as_bytes()).filter_map(|it| it.get(1));
        all.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned()).find(|it| !it.contains(['*', '<', '[', '{']))
    })?;
    let shown: String = found.chars().filter(|letter| !letter.is_control()).collect();
    Some(shown).filter(|shown| !shown.is_empty())
}

/// The digits of the codes in a text: with their prefix, in `error_codes` of Entra's answer and as MSAL repeats
/// it, in a sign-in log if they are known, or by themselves if the text is nothing but numbers. Other numbers of a
/// log are times and sizes.
fn codes(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let is_code = |word: &&str| (5..=7).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut found: Vec<&str> = words(text).take(MOST).collect();
    if found.is_empty() || found.len() == MOST || !found.iter().all(is_code) {
        let lists = matches(r#"(?i-u)\berror_?codes["']?\s*[:=]\s*\[([0-9,\s]{5,200})\]"#, text);
        let prefixed = matches(r"(?i-u)(?:AADSTS\s?|error\?code=|error\(s\):\s?)([0-9]{5,7})\b", text);
        let logged = matches(r#"(?i-u)\b(?:error ?code|result ?type)["'\s:=]{1,6}([0-9]{5,7})\b"#, text);
        let is_known = |code: &str| errors::all().any(|known| known.codes.contains(&code));
        let logged = logged.into_iter().filter(|(_, code)| is_known(code));
        let listed = lists.iter().flat_map(|(at, list)| words(list).filter(is_code).map(|code| (*at, code)));
        let mut all: Vec<(usize, &str)> = listed.chain(prefixed.iter().copied()).chain(logged).collect();
        all.sort_by_key(|(at, _)| *at);
        found = all.into_iter().map(|(_, code)| code).collect();
    }
    found.into_iter().map(str::to_owned).filter(|code| seen.insert(code.clone())).collect()
}

/// Of more words than this a text is no list of codes.
const MOST: usize = 32;

/// Words of a list of codes.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '[', ']', ';', '"']).flat_map(str::split_whitespace)
}

/// What the group of a pattern finds, each with where it stands.
fn matches<'a>(pattern: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let Ok(pattern) = Regex::new(pattern) else { return Vec::new() };
    let found = pattern.captures_iter(text.as_bytes()).filter_map(|it| it.get(1));
    found.filter_map(|it| Some((it.start(), text.get(it.range())?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Text, Values, codes, unescaped};

    #[test]
    fn codes_are_found_in_log_lines() {
        let line = "ClientAssertionCredential failed: AADSTS700213: No matching federated identity record; aadsts70021, AADSTS700213";
        assert_eq!(codes(line), ["700213", "70021"]);
        assert_eq!(codes(r#"{"error":"invalid_client","error_codes":[700016]}"#), ["700016"]);
        assert_eq!(codes("error_codes: [700016, 70021]"), ["700016", "70021"]);
        assert_eq!(codes("700213"), ["700213"]);
        assert_eq!(codes("[700213, 70021]"), ["700213", "70021"]);
        assert_eq!(codes("took 700213 ms"), [""; 0], "any number of a log");
        assert_eq!(codes("errorResponse: { error: 'invalid_client', errorCodes: [ 700213 ] }"), ["700213"]);
        assert_eq!(codes("ServerError: invalid_client: Error(s): 700211 - Timestamp: 2026-01-29"), ["700211"]);
        assert_eq!(codes(r#"{"ResultType": "700213", "ResultDescription": ""}"#), ["700213"], "a sign-in log");
        assert_eq!(codes("Sign-in error code: 70025"), ["70025"]);
        assert_eq!(codes("error code: 10061"), [""; 0], "anybody's code");
        assert_eq!(codes("AADSTS"), [""; 0]);
        assert_eq!(codes("AADSTS12345678"), [""; 0], "too long to be one");
    }

    #[test]
    fn values_are_read_out_of_escaped_json() {
        let line = r#"token_credential.go:70] "failed to acquire token" err="FromAssertion(): http call(https://login.microsoftonline.com//c90ea95b-aead-4931-b72e-f3e703fc342b//oauth2/v2.0/token)(POST) error: reply status code was 400:\n{\"error\":\"invalid_request\",\"error_description\":\"AADSTS70021: No matching federated identity record found for presented assertion. Assertion Issuer: 'https://oidc.prod-aks.azure.com/a/'. Assertion Subject: 'system:serviceaccount:default:sa'. Assertion Audience: 'api://AzureADTokenExchange'.\\r\\nTrace ID: b0f62116\"}"#;
        let text = Text::read(line);
        assert_eq!(
            text.values,
            Values {
                issuer: Some("https://oidc.prod-aks.azure.com/a/".into()),
                subject: Some("system:serviceaccount:default:sa".into()),
                audience: Some("api://AzureADTokenExchange".into()),
                client_id: None,
                tenant: Some("c90ea95b-aead-4931-b72e-f3e703fc342b".into()),
            }
        );
        assert_eq!(text.codes, ["70021"]);
    }

    #[test]
    fn quotation_marks_are_read_as_loggers_escape_them() {
        for mark in ["'", r"\u0027", r"\\u0027", r"\x27", r"\'"] {
            let said = format!("assertion subject {mark}system:serviceaccount:shop:cart{mark}. Please check");
            assert_eq!(Text::read(&said).values.subject.as_deref(), Some("system:serviceaccount:shop:cart"), "{mark}");
        }
        assert_eq!(unescaped(r"C:\x \u00 \u00e9 \xzz \u0009"), "C:x u00 u00e9 xzz u0009");
    }

    #[test]
    fn clients_and_tenants_are_read_out_of_sentences() {
        let read = |text: &str| Text::read(text).values;
        let of = read(
            "AADSTS700016: Application with identifier '/subscriptions/s/id-cart' was not found in the directory 'Contoso'.",
        );
        assert_eq!(
            (of.client_id.as_deref(), of.tenant.as_deref()),
            (Some("/subscriptions/s/id-cart"), Some("Contoso"))
        );
        let of = read(
            "AADSTS70025: The client '33333333-3333-3333-3333-333333333333'(id) has no configured federated identity credentials.",
        );
        assert_eq!(of.client_id.as_deref(), Some("33333333-3333-3333-3333-333333333333"));
        let of = read(
            "AZURE_CLIENT_ID=33333333-3333-3333-3333-333333333333 AZURE_TENANT_ID: 11111111-1111-1111-1111-111111111111",
        );
        assert!(of.client_id.is_some() && of.tenant.is_some());
        assert_eq!(
            read("issuer 'https://eastus2.oic/7******/'"),
            Values::default(),
            "what is blotted out is not known"
        );
        assert_eq!(read("subject '\u{1b}[31mred'").subject, None);
        assert_eq!(read("must specify 'issuer', 'subject' and 'audience'"), Values::default(), "their names alone");
        let of = read(r#"{"issuer": "https://oidc.example", "subject":"system:serviceaccount:shop:cart"}"#);
        assert_eq!(of.issuer.as_deref(), Some("https://oidc.example"));
        assert_eq!(of.subject.as_deref(), Some("system:serviceaccount:shop:cart"));
    }
}
