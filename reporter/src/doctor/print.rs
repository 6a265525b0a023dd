//! Printing: a table for people, JSON for programs, and roles as kubectl and az take them.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Answer, Findings, Place};
use crate::cli::Failure;
use crate::doctor::need::{Need, What};
use crate::policy::manifests::yaml::{Node, document as yaml};

/// The format of the JSON; it changes only with its major number.
const SCHEMA: &str = "wiguard.doctor/v1";

/// Writes to standard output. A reader that went away is no error.
pub(super) fn write(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Internal(anyhow::Error::new(error).context("could not write to standard output")))
        }
        _ => Ok(()),
    }
}

/// The roles of Kubernetes, in YAML.
pub(super) fn roles(out: &mut dyn Write, roles: &[Value]) -> io::Result<()> {
    for (index, role) in roles.iter().enumerate() {
        if index > 0 {
            writeln!(out, "---")?;
        }
        write!(out, "{}", yaml(&Node::from(role)))?;
    }
    Ok(())
}

/// JSON.
pub(super) fn json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Everything, for people.
pub(super) fn table(out: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    for place in &findings.places {
        writeln!(out, "{}", place.name)?;
        needs(out, place)?;
        writeln!(out)?;
    }
    let answers = || findings.places.iter().flat_map(|place| &place.answers).map(|(_, answer)| answer);
    let lacking = answers().filter(|answer| **answer == Answer::Lacks).count();
    let unknown = answers().filter(|answer| matches!(answer, Answer::Unknown(_))).count();
    match (lacking, unknown) {
        (0, 0) if answers().all(|answer| *answer == Answer::Unasked) => {
            writeln!(out, "Nothing was asked; name clusters with --kube, subscriptions with --azure.")?;
        }
        (0, 0) => writeln!(out, "Nothing lacks.")?,
        (lacking, 0) => writeln!(out, "{lacking} lack.")?,
        (lacking, unknown) => writeln!(out, "{lacking} lack, {unknown} could not be asked.")?,
    }
    writeln!(out, "\nThe role of Kubernetes that grants exactly this (wiguard doctor --cluster-role):\n")?;
    roles(out, &findings.roles)?;
    writeln!(out, "\nThe role of Azure that grants exactly this (wiguard doctor --role-definition):\n")?;
    json(out, &findings.role_definition)?;
    writeln!(out, "\nThe application permission of Microsoft Graph: {}", findings.permissions.join(", "))
}

/// What is needed in a place; what nobody could be asked about is said once if it has one reason.
fn needs(out: &mut dyn Write, place: &Place) -> io::Result<()> {
    if let Some((_, Answer::Unknown(why))) = place.answers.first()
        && place.answers.iter().all(|(_, answer)| matches!(answer, Answer::Unknown(other) if other == why))
    {
        return writeln!(out, "  could not be asked: {why}");
    }
    let width = place.answers.iter().map(|(need, _)| need.what.to_string().len()).max().unwrap_or_default();
    for (need, answer) in &place.answers {
        let Need { what, purpose, .. } = need;
        let optional = if need.optional { " (optional)" } else { "" };
        let (sign, why) = match answer {
            Answer::Has => ("has  ", String::new()),
            Answer::Lacks => ("LACKS", String::new()),
            Answer::Unknown(why) => ("?    ", format!("; could not be asked: {why}")),
            Answer::Unasked => ("needs", String::new()),
        };
        writeln!(out, "  {sign}  {:width$}  {purpose}{optional}{why}", what.to_string())?;
    }
    Ok(())
}

/// Everything, for programs.
pub(super) fn document(findings: &Findings) -> Value {
    let place =
        |place: &Place| json!({"place": place.name, "needs": place.answers.iter().map(need).collect::<Vec<_>>()});
    json!({
        "schema": SCHEMA,
        "places": findings.places.iter().map(place).collect::<Vec<_>>(),
        "roles": findings.roles,
        "roleDefinition": findings.role_definition,
        "graphPermissions": findings.permissions,
    })
}

fn need((need, answer): &(Need, Answer)) -> Value {
    let mut members = match &need.what {
        What::Resource { verb, group, resource, namespace, name } => {
            json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name})
        }
        What::Path(path) => json!({"verb": "get", "path": path}),
        What::Action(action) => json!({"action": action}),
        What::Permission(permission) => json!({"permission": permission}),
    };
    let (word, why) = match answer {
        Answer::Has => ("has", None),
        Answer::Lacks => ("lacks", None),
        Answer::Unknown(why) => ("unknown", Some(why)),
        Answer::Unasked => ("unasked", None),
    };
    if let Value::Object(members) = &mut members {
        members.insert("answer".into(), word.into());
        members.insert("purpose".into(), need.purpose.into());
        members.insert("optional".into(), need.optional.into());
        members.extend(why.map(|why| ("reason".to_owned(), why.as_str().into())));
        members.retain(|_, value| !value.is_null());
    }
    members
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::doctor::need;
    use crate::live::kube::kinds::kinds;

    fn findings(answer: impl Fn(usize) -> Answer) -> Findings {
        let needs = need::of_cluster(kinds(), None);
        Findings {
            roles: need::roles(&needs),
            role_definition: need::role_definition(&need::of_subscription(), &[]),
            permissions: need::permissions(&need::of_tenant()),
            places: vec![Place {
                name: "kube://prod".into(),
                answers: needs.into_iter().enumerate().map(|(n, need)| (need, answer(n))).collect(),
            }],
        }
    }

    fn text(findings: &Findings) -> String {
        let mut out = Vec::new();
        table(&mut out, findings).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_names_what_lacks_and_counts_it() {
        let text = text(&findings(|n| if n == 1 { Answer::Lacks } else { Answer::Has }));
        let lacking: Vec<&str> = text.lines().filter(|line| line.contains("LACKS")).collect();
        assert!(lacking.len() == 1 && lacking[0].contains("list namespaces"), "{text}");
        assert!(text.contains("\n1 lack.\n") && text.contains("kind: ClusterRole") && text.contains("\"IsCustom\""));
    }

    #[test]
    fn one_reason_is_said_once() {
        let text = text(&findings(|_| Answer::Unknown("nobody is there".into())));
        assert_eq!(text.matches("nobody is there").count(), 1, "{text}");
        assert!(text.contains("0 lack, ") && !text.contains("LACKS"), "{text}");
    }

    #[test]
    fn the_json_says_the_same_for_programs() {
        let json = document(&findings(|n| match n {
            0 => Answer::Lacks,
            1 => Answer::Unknown("why".into()),
            _ => Answer::Has,
        }));
        assert_eq!(json["schema"], SCHEMA);
        let needs = json["places"][0]["needs"].as_array().unwrap();
        assert_eq!((&needs[0]["answer"], &needs[1]["answer"]), (&json!("lacks"), &json!("unknown")));
        assert_eq!((&needs[1]["reason"], &needs[2]["answer"]), (&json!("why"), &json!("has")));
        assert_eq!(needs.last().unwrap()["path"], crate::live::kube::kinds::ISSUER_PATH);
        assert_eq!(json["graphPermissions"], json!(["Application.Read.All"]));
    }
}
