//! A walk for people: one paragraph a link, what is expected above what is there.

use super::walk::{Compared, PODS, State, Step, Walk};
use crate::render::{Style, printable};

/// The walk as text.
pub(super) fn of(walk: &Walk, style: Style) -> String {
    let object = &walk.object;
    let mut out = printable(&format!("{} {}/{}", object.kind, object.namespace, object.name));
    if !walk.cluster.is_empty() {
        out.push_str(&printable(&format!(" on cluster {}", walk.cluster)));
    }
    out = style.paint("1", &out);
    out.push_str("\n\n");
    for step in &walk.links {
        out.push_str(&link(step, style));
    }
    out.push('\n');
    out.push_str(&end(walk, style));
    out
}

fn link(step: &Step, style: Style) -> String {
    let (mark, code) = match step.state {
        State::Holds => ("ok", "32"),
        State::Broken => ("BROKEN", "1;31"),
        State::Unknown => ("unknown", "33"),
    };
    let state = style.paint(code, &format!("{mark:<7}"));
    let mut out = format!("{state}  {:<14}  {}\n", step.link, printable(&step.message));
    for detail in &step.details {
        line(&mut out, detail);
    }
    for compared in &step.compared {
        for text in sides(compared) {
            line(&mut out, &text);
        }
    }
    if !step.fix.is_empty() {
        let verb = if step.state == State::Unknown { "to know it" } else { "to mend it" };
        line(&mut out, &format!("{verb}: {}", step.fix));
    }
    out
}

/// Both values, or the one that they have in common.
fn sides(compared: &Compared) -> Vec<String> {
    let actual = compared.actual.as_deref();
    if actual == Some(compared.expected.as_str()) {
        return vec![compared.field.clone(), format!("  same      {}", compared.expected)];
    }
    let shown = match actual {
        None => "(none)".into(),
        Some("") => "(empty)".into(),
        Some(text) => format!("{text:?}").trim_matches('"').to_owned(),
    };
    vec![compared.field.clone(), format!("  expected  {}", compared.expected), format!("  actual    {shown}")]
}

fn line(out: &mut String, text: &str) {
    out.push_str(&format!("{:25}{}\n", "", printable(text)));
}

fn end(walk: &Walk, style: Style) -> String {
    match walk.state {
        State::Holds if walk.links.iter().all(|step| step.link == PODS) => "there is no chain to walk\n".to_owned(),
        State::Holds => style.paint("32", "every link holds\n"),
        State::Broken => {
            let link = walk.links.last().map(|step| step.link).unwrap_or_default();
            style.paint("1;31", &format!("the chain breaks at the {link}; what comes after it was not looked at\n"))
        }
        State::Unknown => style.paint("33", "no link is seen to be broken, but not every link could be seen\n"),
    }
}
