//! The rules as CEL, for whatever evaluates it: the variables that their expressions may use, and
//! which of them an expression needs.
//!
//! No function or macro newer than Kubernetes 1.30, where ValidatingAdmissionPolicy became stable.
//! What is bounded by nothing is gone through once: containers, their variables, labels.

use std::collections::BTreeSet;

use wiguard_rules::catalogue::{ADMISSION, Entry};
use wiguard_rules::finding::Severity;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::rule::Check;
use wiguard_rules::spelling::KEYS;

/// A rule that is expressed in CEL.
pub(super) struct Expressed {
    /// The rule.
    pub(super) entry: &'static Entry,
    /// True of an object that breaks it.
    pub(super) broken: String,
    /// True of a broken one that deserves no more than a warning, if the rule itself denies.
    pub(super) mild: Option<String>,
    /// What users may set, if anything.
    pub(super) parameter: Option<Parameter>,
}

/// What users may tell a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// `injectedContainers`
    InjectedContainers,
    /// `defaultAccountNamespaces`
    DefaultAccountNamespaces,
    /// `templated`
    Templated,
}

/// A named expression.
pub(super) type Variable = (&'static str, String);

/// The rules that judge what an admission request carries and have no CEL, each with the reason.
/// Of those that have, three see less than the policy; their pages say what.
pub const LEFT_OUT: [(&str, &str); 6] = [
    ("AWI104", "it compares the pod with its ServiceAccount, and with what else may serve it"),
    ("AWI203", "it compares the pod with its ServiceAccount"),
    ("AWI206", "it needs to know the identities in Azure"),
    ("AWI301", "it needs to know the credentials in Azure"),
    ("AWI303", "it needs to know the credentials in Azure"),
    ("AWI707", "it compares the pod with its ServiceAccount"),
];

/// The rules that one object decides.
pub(super) fn expressed() -> impl Iterator<Item = Expressed> {
    ADMISSION.iter().filter_map(|entry| {
        let (broken, mild) = entry.cel()?;
        let parameter = Parameter::ALL.into_iter().find(|parameter| broken.contains(parameter.name()));
        Some(Expressed { entry, broken, mild, parameter })
    })
}

/// The variables that these expressions use, and those that these use, in the order in which they
/// can be defined. `asked` is what CEL asks for the value of a parameter; without it the default stands there.
pub(super) fn variables(expressions: &[&str], asked: Option<&str>) -> Vec<Variable> {
    let all = table(asked);
    let mut wanted = BTreeSet::new();
    let mut note = |expression: &str| {
        for part in expression.split("variables.").skip(1) {
            wanted.insert(
                part.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned(),
            );
        }
        wanted.clone()
    };
    let mut used = BTreeSet::new();
    for expression in expressions {
        used = note(expression);
    }
    // A variable uses only those before it.
    for (name, expression) in all.iter().rev() {
        if used.contains(*name) {
            used = note(expression);
        }
    }
    all.into_iter().filter(|(name, _)| used.contains(*name)).collect()
}

fn table(asked: Option<&str>) -> Vec<Variable> {
    let annotation = |name: &str| {
        let key = format!("\"azure.workload.identity/{name}\"");
        format!("variables.annotations[?{key}].orValue(null) == null ? \"\" : string(variables.annotations[{key}])")
    };
    let mut all = vec![
        // The object with the metadata and the spec of the pod; a ServiceAccount has but metadata.
        ("template", TEMPLATE.to_owned()),
        ("labels", map_at("variables.template", "labels")),
        ("annotations", map_at("variables.template", "annotations")),
        ("ownLabels", format!("object.kind == \"Pod\" ? dyn({{}}) : ({})", map_at("object", "labels"))),
        ("ownAnnotations", format!("object.kind == \"Pod\" ? dyn({{}}) : ({})", map_at("object", "annotations"))),
        ("use", "variables.labels[?\"azure.workload.identity/use\"].orValue(dyn(null))".into()),
        ("optsIn", "variables.use == \"true\" || variables.use == true".into()),
        ("optsOut", "variables.use == \"false\" || variables.use == false".into()),
        ("livesIn", NAMESPACE.into()),
        ("serviceAccount", SERVICE_ACCOUNT.into()),
        ("containers", CONTAINERS.into()),
        ("names", "variables.containers.map(c, c.name)".into()),
        ("audiences", AUDIENCES.into()),
        ("clientId", annotation("client-id")),
        ("tenantId", annotation("tenant-id")),
        ("lifetime", annotation("service-account-token-expiration")),
        ("skip", annotation("skip-containers")),
        ("proxy", annotation("inject-proxy-sidecar")),
        ("proxyPort", annotation("proxy-sidecar-port")),
        ("skipped", "variables.skip.split(\";\").map(name, name.trim()).filter(name, name != \"\")".into()),
        ("strayLabel", STRAY_LABEL.into()),
        ("known", known()),
        ("lengths", format!("[{}]", (1..=longest()).map(|length| length.to_string()).collect::<Vec<_>>().join(", "))),
        ("edits", "[[0, 0, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1]]".into()),
        ("slips", SLIPS.into()),
        ("misspelt", MISSPELT.into()),
        ("guid", "r'^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'".into()),
        ("placeholder", format!("r'{}'", placeholder())),
    ];
    all.extend(Parameter::ALL.map(|parameter| (parameter.name(), parameter.expression(asked))));
    all
}

const TEMPLATE: &str = r#"object.kind in ["Pod", "ServiceAccount"] ? object
  : object.kind == "CronJob" ? object.?spec.?jobTemplate.?spec.?template.orValue(dyn(null))
  : object.?spec.?template.orValue(dyn(null))"#;

fn map_at(object: &str, name: &str) -> String {
    format!("{object}.?metadata.?{name}.orValue(null) == null ? dyn({{}}) : {object}.metadata.{name}")
}

const NAMESPACE: &str = r#"[object.metadata.?namespace.orValue(dyn(null))]
  .filter(name, name != null && name != "")[?0].orValue("default")"#;

const SERVICE_ACCOUNT: &str = r#"[
  variables.template.?spec.?serviceAccountName.orValue(dyn(null)),
  variables.template.?spec.?serviceAccount.orValue(dyn(null))
].filter(name, name != null && name != "")[?0].orValue("default")"#;

/// Init containers and containers, each with its variables: `literal` is the text of one, `filled`
/// whether it has a value at all. Of those that are set twice the last counts.
const CONTAINERS: &str = r#"((variables.template.?spec.?initContainers.orValue(null) == null ? [] : variables.template.spec.initContainers)
  + (variables.template.?spec.?containers.orValue(null) == null ? [] : variables.template.spec.containers))
  .map(c, {
    "name": dyn(c.?name.orValue("")),
    "env": dyn((c.?env.orValue(null) == null ? [] : c.env).map(e, {
      "name": dyn(e.?name.orValue("")),
      "literal": dyn(e.?valueFrom.orValue(null) != null || e.?value.orValue(null) == null ? "" : string(e.value)),
      "filled": dyn(e.?valueFrom.orValue(null) != null || (e.?value.orValue(null) != null && string(e.value) != ""))
    }))
  })"#;

/// The audiences of the tokens that the pod projects by itself, volume by volume.
const AUDIENCES: &str = r#"(variables.template.?spec.?volumes.orValue(null) == null ? [] : variables.template.spec.volumes)
  .map(v, v.?projected.?sources.orValue(null) == null ? [] : v.projected.sources)
  .map(sources, sources.map(s, s.?serviceAccountToken.?audience.orValue(dyn(null))).filter(a, a != null && a != ""))
  .filter(audiences, size(audiences) > 0)"#;

/// Whether the label that opts in is an annotation.
const STRAY_LABEL: &str = r#"!("azure.workload.identity/use" in variables.labels)
  && !("azure.workload.identity/use" in variables.ownLabels)
  && [variables.annotations, variables.ownAnnotations].exists(a,
    "azure.workload.identity/use" in a && !(a["azure.workload.identity/use"] in [dyn("false"), dyn(false)]))"#;

/// The keys that begin like ours and are none of them, with their letters behind the beginning.
const SLIPS: &str = r#"(object.kind == "ServiceAccount"
    ? variables.annotations.map(key, key)
    : variables.labels.map(key, key) + variables.annotations.map(key, key)
      + variables.ownLabels.map(key, key) + variables.ownAnnotations.map(key, key))
  .filter(key, !variables.known.exists(k, k.key == key)
    && !key.startsWith("azure-workload-identity.io/")
    && !key.matches("^azure[.]workload[.]identity/use-."))
  .map(key, {"key": string(key), "letters": key.lowerAscii().findAll("[0-9a-z]+").join("")})
  .filter(slip, slip.letters.startsWith("azureworkloadidentity"))
  .map(slip, {"key": slip.key, "letters": slip.letters.substring(21)})"#;

/// The slips that are misspelt, each with the key that is meant, empty if none is: the first that is
/// no more than two insertions, deletions or substitutions of a letter away, and the nearest of these.
/// What is left when the longest common head and tail are taken off begins and ends with an edit.
const MISSPELT: &str = r#"variables.slips
  .map(slip, {
    "key": slip.key,
    "meant": [0, 1, 2].map(limit, variables.known.filter(k,
        [size(variables.lengths.filter(n, n <= size(k.letters)
            && slip.letters.startsWith(k.letters.substring(0, n))))].exists(head,
          [size(variables.lengths.filter(n, n <= size(k.letters) - head && n <= size(slip.letters) - head
              && slip.letters.endsWith(k.letters.substring(size(k.letters) - n))))].exists(tail,
            variables.edits.exists(first, variables.edits.exists(last,
              first[2] + last[2] <= limit
                && head + tail + first[0] + last[0] <= size(k.letters)
                && head + tail + first[1] + last[1] <= size(slip.letters)
                && k.letters.substring(head + first[0], size(k.letters) - tail - last[0])
                  == slip.letters.substring(head + first[1], size(slip.letters) - tail - last[1])))))))
      .filter(near, size(near) > 0)
      .map(near, near[0].key)[?0].orValue("")
  })
  .filter(slip, slip.meant != ""
    || slip.key.split("/")[0].lowerAscii().findAll("[0-9a-z]+").join("") == "azureworkloadidentity")"#;

/// What all our keys begin with, in letters alone.
const STEM: &str = "azureworkloadidentity";

fn letters(key: &str) -> String {
    let letters: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    letters.strip_prefix(STEM).unwrap_or_default().to_owned()
}

fn longest() -> usize {
    KEYS.iter().map(|key| letters(key).len()).max().unwrap_or_default()
}

fn known() -> String {
    let known = KEYS.map(|key| format!("  {{\"key\": \"{key}\", \"letters\": \"{}\"}}", letters(key)));
    format!("[\n{}\n]", known.join(",\n"))
}

/// A regular expression of RE2 for what [`wiguard_rules::model::is_placeholder`] finds.
fn placeholder() -> String {
    // White space as Unicode has it, for a class.
    const BLANK: &str = r"\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}";
    // Each begins with what can stand before the first opening mark.
    let inner = [
        format!(r"(?:[^$]|[$]+[^${{])*[$]+\{{[^}}]*[^}}{BLANK}][^}}]*\}}"),
        format!(r"(?:[^{{]|\{{[^{{])*\{{\{{(?:[^}}]|\}}[^}}])*(?:[^}}{BLANK}]|\}}[^}}])(?:[^}}]|\}}[^}}])*\}}\}}"),
        format!(r"[^<]*<[^>]*[^>{BLANK}][^>]*>"),
        format!(r"(?:[^$]|[$]+[^$(])*[$]+\([^)]*[^){BLANK}][^)]*\)"),
        format!(r"(?:[^#]|#+[^#{{])*#+\{{[^}}]*[^}}{BLANK}][^}}]*\}}"),
        r"(?:[^_]|_[^_])*___?[0-9A-Z]+(?:_[0-9A-Z]+)*__".to_owned(),
    ];
    let words = r"change[-_]?me|replace[-_]?me|todo|placeholder";
    let whole = format!(r"(?:__.+__|%.+%|[0-]{{36}}|(?i:[x-]{{36}}|{words}))[{BLANK}]*$|(?i:your[-_])[^.]*$");
    format!(r"(?s)^(?:{}|[{BLANK}]*(?:{whole}))", inner.join("|"))
}

// === impl Expressed ===

impl Expressed {
    /// Whether its findings deny, but for mild ones.
    pub(super) fn denies(&self) -> bool {
        self.entry.rule.severity >= Severity::High
    }

    /// Whether it judges what has a pod, and whether it judges ServiceAccounts.
    pub(super) fn judges(&self) -> (bool, bool) {
        let any = |judges: fn(&Check) -> bool| self.entry.rule.checks.iter().any(judges);
        (any(|check| matches!(check, Check::Workload(_))), any(|check| matches!(check, Check::ServiceAccount(_))))
    }

    /// What is said of an object that breaks it.
    pub(super) fn message(&self) -> String {
        format!("{} {}: {}", self.entry.id, self.entry.name(), self.entry.rule.summary)
    }
}

// === impl Parameter ===

impl Parameter {
    const ALL: [Self; 3] = [Self::InjectedContainers, Self::DefaultAccountNamespaces, Self::Templated];

    /// As the configuration and the settings call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InjectedContainers => "injectedContainers",
            Self::DefaultAccountNamespaces => "defaultAccountNamespaces",
            Self::Templated => "templated",
        }
    }

    /// What it is for.
    pub(super) const fn purpose(self) -> &'static str {
        match self {
            Self::InjectedContainers => "containers that other admission controllers add, with * and ?",
            Self::DefaultAccountNamespaces => "namespaces whose pods may use the ServiceAccount default, with * and ?",
            Self::Templated => "whether a later stage fills in placeholders",
        }
    }

    /// Its value in CEL; a list as regular expressions.
    fn expression(self, asked: Option<&str>) -> String {
        let parameters = Parameters::default();
        let default = match self {
            Self::InjectedContainers => strings(&parameters.injected_containers),
            Self::DefaultAccountNamespaces => strings(&parameters.default_account_namespaces),
            Self::Templated => parameters.templated.to_string(),
        };
        let value =
            asked.map_or_else(|| default.clone(), |asked| format!("{asked}.?{}.orValue({default})", self.name()));
        match self {
            Self::InjectedContainers | Self::DefaultAccountNamespaces => format!(
                "{value}\n  .map(glob, r'(?s)^\\Q' + glob.replace('*', r'\\E.*\\Q').replace('?', r'\\E.\\Q') + r'\\E$')"
            ),
            Self::Templated => value,
        }
    }
}

fn strings(list: &[String]) -> String {
    let quoted = list.iter().map(|text| serde_json::Value::from(text.as_str()).to_string());
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use regex::Regex;
    use wiguard_rules::model::is_placeholder;

    use super::{expressed, placeholder, table};

    /// Every text of up to four of the letters that matter, and longer ones at random.
    fn texts() -> impl Iterator<Item = String> {
        const LETTERS: [char; 14] = ['$', '{', '}', '<', '>', '(', ')', '#', '_', '%', 'A', 'a', ' ', '\u{2003}'];
        let all = |length: u32| {
            (0..LETTERS.len().pow(length)).map(move |number| {
                let digits = (0..length).scan(number, |rest, _| {
                    let letter = LETTERS.get(*rest % LETTERS.len());
                    *rest /= LETTERS.len();
                    letter
                });
                digits.collect::<String>()
            })
        };
        let mut chance = 7_usize;
        let random = (0..60_000).map(move |round| {
            let letters = (0..5 + round % 9).filter_map(|_| {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                LETTERS.get((chance >> 33) % LETTERS.len())
            });
            letters.collect::<String>()
        });
        (0..=4).flat_map(all).chain(random)
    }

    #[test]
    fn a_placeholder_is_one_as_an_expression_too() {
        // Go folds case by Unicode, to the same end in these words.
        let pattern = Regex::new(&placeholder().replace("(?i:", "(?i-u:")).unwrap();
        let words = [
            "00000000-0000-0000-0000-000000000000",
            "xxxxxxxx-XXXX-xxxx-xxxx-xxxxxxxxxxxx",
            " \tCHANGEME\n",
            "change_me",
            "Replace-Me",
            "todo",
            "todo ",
            "to do",
            "placeholder",
            "placeholders",
            "your-client-id",
            "YOUR_TENANT",
            "your-company.com",
            "yourapp",
            "__clientId__",
            "a__b__",
            "a__B__",
            "%A%",
            "%%",
            "100%",
            "x00000000-0000",
            "https://x/${ID}/",
            "a\n${b\nc}",
            "\u{85}todo\u{3000}",
            "\u{200b}todo",
            "-",
            "------------------------------------",
        ];
        let mut found = 0;
        for text in texts().chain(words.map(str::to_owned)) {
            assert_eq!(pattern.is_match(&text), is_placeholder(&text), "{text:?}");
            found += usize::from(is_placeholder(&text));
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn expressions_use_what_is_defined_before_them() {
        let all = table(None);
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let uses = |expression: &str| {
            let names = expression.split("variables.").skip(1);
            names
                .map(|name| name.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        for (index, (name, expression)) in all.iter().enumerate() {
            let before = names.get(..index).unwrap();
            assert!(uses(expression).iter().all(|used| before.contains(&used.as_str())), "{name}: {expression}");
        }
        let mut used: Vec<String> = all.iter().flat_map(|(_, expression)| uses(expression)).collect();
        for rule in expressed() {
            for expression in [Some(rule.broken), rule.mild].into_iter().flatten() {
                assert!(uses(&expression).iter().all(|used| names.contains(&used.as_str())), "{expression}");
                used.extend(uses(&expression));
            }
        }
        assert!(names.iter().all(|name| used.iter().any(|used| used == name)), "something is defined for nobody");
    }
}
