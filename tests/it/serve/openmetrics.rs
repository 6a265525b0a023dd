//! A strict reader of the text format of OpenMetrics 1.0, as far as the server's page needs one.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Value, json};
use wiguard_tests::serving::review;

use super::{deployment, labelled, shared};

/// Families by name with their type, and samples by name and labels.
struct Page {
    families: BTreeMap<String, String>,
    samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

/// Reads a page, or says what is wrong with it.
fn parse(text: &str) -> Result<Page, String> {
    let mut page = Page { families: BTreeMap::new(), samples: BTreeMap::new() };
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF")?;
    let (mut current, mut has_help) = (String::new(), false);
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (word, name, rest) = (words.next(), words.next().ok_or("no name")?, words.next().ok_or("no text")?);
            if name != current {
                if page.families.contains_key(name) {
                    return Err(format!("{name} is interrupted"));
                }
                (current, has_help) = (name.into(), false);
            }
            match word {
                Some("HELP") if !has_help => has_help = true,
                Some("TYPE") if ["counter", "gauge", "histogram", "info", "unknown"].contains(&rest) => {
                    if page.families.insert(name.into(), rest.into()).is_some() {
                        return Err(format!("{name} has two types"));
                    }
                }
                Some("UNIT") => {}
                _ => return Err(format!("`{line}` is no comment")),
            }
            continue;
        }
        let (name, labels, value) = sample(line).ok_or_else(|| format!("`{line}` is no sample"))?;
        let kind = page.families.get(&current).ok_or_else(|| format!("`{line}` has no type"))?;
        let suffix = name.strip_prefix(current.as_str()).ok_or_else(|| format!("`{line}` is not of {current}"))?;
        let allowed: &[&str] = match kind.as_str() {
            "counter" => &["_total", "_created"],
            "histogram" => &["_bucket", "_sum", "_count", "_created"],
            "info" => &["_info"],
            _ => &[""],
        };
        if !allowed.contains(&suffix) || (kind == "counter" && (value.is_nan() || value < 0.0)) {
            return Err(format!("`{line}` is no {kind}"));
        }
        if page.samples.insert((name, labels), value).is_some() {
            return Err(format!("`{line}` is there twice"));
        }
    }
    Ok(page)
}

/// Name, labels and value of a line.
type Sample = (String, Vec<(String, String)>, f64);

/// Name, sorted labels, value.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match characters.next()?.1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        _ => return None,
                    }),
                    (_, c) => value.push(c),
                }
            };
            let good = !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !good {
                return None;
            }
            labels.push((label.to_owned(), value));
            rest = after.get(end + 1..)?;
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = rest.strip_prefix('}')?;
    }
    labels.sort();
    Some((name.to_owned(), labels, rest.strip_prefix(' ')?.parse().ok()?))
}

impl Page {
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut labels: Vec<_> = labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        labels.sort();
        self.samples.get(&(name.to_owned(), labels)).copied().unwrap_or(0.0)
    }

    /// Buckets grow, and the last one has everything.
    fn check_histograms(&self) {
        for (family, _) in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut counts = 0;
            for ((name, labels), count) in &self.samples {
                if *name != format!("{family}_count") {
                    continue;
                }
                counts += 1;
                let mut buckets: Vec<(f64, f64)> = Vec::new();
                for ((name, of), value) in &self.samples {
                    let (le, rest): (Vec<_>, Vec<_>) = of.iter().cloned().partition(|(label, _)| label == "le");
                    if *name == format!("{family}_bucket") && rest == *labels {
                        buckets.push((le[0].1.parse().unwrap(), *value));
                    }
                }
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{buckets:?}");
                assert_eq!(buckets.last().copied(), Some((f64::INFINITY, *count)));
            }
            assert!(counts > 0, "{family} is empty");
        }
    }
}

#[test]
fn the_reader_is_strict() {
    assert!(parse("# TYPE a counter\na_total 1\n# EOF\n").is_ok());
    for page in [
        "# TYPE a counter\na_total 1\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "a_total 1\n# EOF\n",
        "# TYPE a gauge\na{b=c} 1\n# EOF\n",
        "# TYPE a gauge\na 1\na 2\n# EOF\n",
        "# TYPE a gauge\na x\n# EOF\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n",
    ] {
        assert!(parse(page).is_err(), "{page}");
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let shared = shared();
    let before = parse(&shared.serving.status("/metrics").await.text()).unwrap();
    let bad = deployment("counted", labelled(), json!({}));
    for _ in 0..3 {
        assert_eq!(shared.serving.post("/validate", &review("u", &bad)).await.status, StatusCode::OK);
    }
    assert_eq!(shared.serving.post("/mutate", &review("u", &Value::Null)).await.status, StatusCode::OK);
    assert_eq!(shared.serving.post("/validate", &json!(1)).await.status, StatusCode::BAD_REQUEST);
    let reply = shared.serving.status("/metrics").await;
    assert_eq!(reply.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let after = parse(&reply.text()).unwrap_or_else(|error| panic!("{error}\n{}", reply.text()));
    after.check_histograms();
    // Other tests may use the server too, so that there may be more.
    let grown = |name: &str, labels: &[(&str, &str)]| after.value(name, labels) - before.value(name, labels);
    assert!(grown("wiguard_requests_total", &[("path", "/validate"), ("outcome", "denied")]) >= 3.0);
    assert!(grown("wiguard_requests_total", &[("path", "/validate"), ("outcome", "bad-request")]) >= 1.0);
    assert!(grown("wiguard_requests_total", &[("path", "/mutate"), ("outcome", "allowed")]) >= 1.0);
    assert!(grown("wiguard_findings_total", &[("rule", "AWI101"), ("level", "deny")]) >= 3.0);
    assert!(grown("wiguard_lookups_total", &[("kind", "ServiceAccount"), ("result", "unknown")]) >= 3.0);
    assert!(grown("wiguard_request_duration_seconds_count", &[("path", "/validate")]) >= 4.0);
    assert_eq!(after.value("wiguard_ready", &[]), 1.0);
    // rcgen's certificates last until 4096 and a bit.
    assert!(after.value("wiguard_certificate_expiry_timestamp_seconds", &[("certificate", "server")]) > 6.0e10);
    let built = after.samples.keys().find(|(name, _)| name == "wiguard_build_info").unwrap();
    let module = built.1.iter().find(|(label, _)| label == "module_sha256").unwrap();
    assert!(module.1.len() == 64 && module.1.bytes().all(|byte| byte.is_ascii_hexdigit()), "{module:?}");
}
