//! An explanation for people, and for programs (`wiguard.explanation/v1`).

use serde_json::{Map, Value, json};
use wiguard_rules::catalogue::{CATALOGUE, Entry};

use super::causes::{self, Causes};
use super::text::Text;

/// For people.
pub(super) fn text(text: &Text, causes: Option<&Causes>) -> String {
    let mut out = String::new();
    let mut ruled = false;
    for (known, code) in text.known() {
        let title = code.map_or_else(|| known.title(), |code| format!("AADSTS{code}"));
        out.push_str(&format!("{title}: {}\n  points to {}\n", known.meaning, known.link.as_str()));
        for (step, check) in (1..).zip(known.check) {
            out.push_str(&format!("  {step}. {check}\n"));
        }
        for entry in behind(known, code) {
            ruled = true;
            out.push_str(&format!("  {}  {:<30}  {}\n", entry.id, entry.name(), entry.rule.summary));
        }
        out.push('\n');
    }
    for code in text.unknown_codes() {
        out.push_str(&format!(
            "AADSTS{code}: not an error of the token exchange that is known here; see https://login.microsoftonline.com/error?code={code}\n\n"
        ));
    }
    if text.values.iter().next().is_some() {
        out.push_str("The text names\n");
        for (name, value) in text.values.iter() {
            out.push_str(&format!("  {name:<10} {value}\n"));
        }
        out.push('\n');
    }
    out.push_str(&match causes {
        Some(causes) => {
            let elsewhere = match causes.others {
                0 => "no finding leads to this error: what was read is right as far as it can be judged".into(),
                others => format!("no finding leads to this error; `wiguard scan` shows what else was found ({others})"),
            };
            of_estate(causes, &elsewhere)
        }
        None if ruled => {
            "`wiguard explain RULE` says more of each; `wiguard scan`, or --from with your sources, finds which of them it is here.\n".into()
        }
        None => "no rule finds its cause in manifests or in Azure; look at the token and at the request themselves\n".into(),
    });
    out
}

/// What a rule finds, for people.
pub(super) fn of_rule(causes: &Causes) -> String {
    format!("\n{}", of_estate(causes, "nothing that was read has this flaw, as far as it can be judged"))
}

fn of_estate(causes: &Causes, none: &str) -> String {
    let mut out = String::from("In this estate\n");
    for known in &causes.known {
        out.push_str(&format!("  {known}\n"));
    }
    if causes.causes.is_empty() {
        out.push_str(&format!("  {none}\n"));
    }
    for (place, cause) in (1..).zip(&causes.causes) {
        let cluster = if cause.cluster.is_empty() { String::new() } else { format!("  {}", cause.cluster) };
        out.push_str(&format!(
            "\n  {place}. {}  {}  {} {}{cluster}\n",
            cause.severity, cause.rule, cause.kind, cause.object
        ));
        out.push_str(&format!("     {}\n", cause.message));
        if !cause.fix.is_empty() {
            out.push_str(&format!("     fix: {}\n", cause.fix));
        }
        if !cause.at.is_empty() {
            out.push_str(&format!("     at {}\n", cause.at));
        }
    }
    if causes.more > 0 {
        out.push_str(&format!("\n  {} less likely; `wiguard scan` shows all findings\n", causes.more));
    }
    if !causes.not_read.is_empty() {
        out.push_str("\n  not all was read, so that the cause may be elsewhere\n");
        for (source, reason) in causes.not_read.iter().take(5) {
            out.push_str(&format!("    {source}: {reason}\n"));
        }
    }
    out
}

/// For programs: what a text says, with the rules it names in `named`, or one rule alone in `rule`.
pub(super) fn json(named: &[(&&'static Entry, Option<&Causes>)], text: Option<(&Text, Option<&Causes>)>) -> String {
    let mut members = Map::from_iter([("schema".into(), "wiguard.explanation/v1".into())]);
    if let Some((text, causes)) = text {
        members.extend(errors_as_json(text));
        members.extend(causes.map(|causes| ("estate".into(), json!(causes))));
    }
    match (named, text) {
        ([(entry, causes)], None) => {
            members.insert("rule".into(), rule_as_json(entry));
            members.extend(causes.map(|causes| ("estate".into(), json!(causes))));
        }
        ([], _) => {}
        _ => {
            let named = named.iter().map(|(entry, causes)| {
                let mut members = Map::from_iter([("rule".into(), rule_as_json(entry))]);
                members.extend(causes.map(|causes| ("estate".into(), json!(causes))));
                Value::Object(members)
            });
            members.insert("named".into(), named.collect());
        }
    }
    format!("{:#}\n", Value::Object(members))
}

fn errors_as_json(text: &Text) -> Map<String, Value> {
    let errors: Value = text
        .known()
        .into_iter()
        .map(|(known, code)| {
            json!({
                "name": code.map_or_else(|| known.title(), |code| format!("AADSTS{code}")),
                "link": known.link.as_str(),
                "meaning": known.meaning,
                "sample": known.sample,
                "check": known.check,
                "rules": behind(known, code).iter().map(|entry| entry.id).collect::<Vec<_>>(),
            })
        })
        .collect();
    let unknown: Value = text.unknown_codes().into_iter().map(|code| format!("AADSTS{code}")).collect();
    Map::from_iter([
        ("errors".into(), errors),
        ("unknownCodes".into(), unknown),
        ("values".into(), json!(text.values)),
        ("rules".into(), json!(causes::rules(text))),
    ])
}

fn rule_as_json(entry: &Entry) -> Value {
    let rule = entry.rule;
    json!({
        "id": entry.id,
        "name": entry.name(),
        "summary": rule.summary,
        "severity": rule.severity.as_str(),
        "confidence": rule.confidence.as_str(),
        "judges": rule.checks.iter().map(|check| check.subject()).collect::<Vec<_>>(),
        "atAdmission": entry.at_admission(),
        "leadsTo": rule.aadsts.iter().map(|code| format!("AADSTS{code}")).collect::<Vec<_>>(),
        "frameworks": rule.frameworks,
        "since": rule.since,
        "manual": entry.manual(),
    })
}

/// The rules that lead to an error, likely ones first: those of the table, then those that name its code.
fn behind(known: &super::errors::Known, code: Option<&str>) -> Vec<&'static Entry> {
    let mut entries: Vec<&'static Entry> =
        known.rules.iter().filter_map(|id| CATALOGUE.iter().find(|entry| entry.id == *id)).collect();
    for entry in CATALOGUE.iter().filter(|entry| code.is_some_and(|code| entry.rule.aadsts.contains(&code))) {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}
