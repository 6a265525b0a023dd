//! Order within a template: what a resource waits for, whether `dependsOn` names it by its symbol
//! (`languageVersion` 2.0) or by its id.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expression::{Scope, whole};

const CREDENTIALS: &str = "federatedidentitycredentials";
const DEPLOYMENTS: &str = "microsoft.resources/deployments";
/// How deeply a module is searched.
const DEPTH: usize = 64;
/// How many resources are looked at for one template; what is left is not told.
const MOST: u32 = 1 << 20;

/// The resources of a template: by their symbols, children among them, where they have any.
pub(super) struct Symbols<'a> {
    named: BTreeMap<&'a str, &'a Value>,
    /// The modules and the credentials of a list, each with what it is called.
    listed: Vec<(String, &'a Value)>,
    scope: &'a Scope,
    /// How many more resources may be looked at.
    left: Cell<u32>,
}

/// What a resource waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// Credentials, and modules that have some, by what their template calls them.
    pub(super) named: BTreeSet<String>,
    /// Whether it waits for something more, of which it cannot be told whether it is a credential.
    pub(super) more: bool,
}

impl<'a> Symbols<'a> {
    pub(super) fn of(template: &'a Value, scope: &'a Scope) -> Self {
        let (mut named, mut open) = (BTreeMap::new(), vec![template]);
        while let Some(resource) = open.pop() {
            for (symbol, child) in resource.get("resources").and_then(Value::as_object).into_iter().flatten() {
                named.insert(symbol.as_str(), child);
                open.push(child);
            }
        }
        let list = template.get("resources").and_then(Value::as_array).into_iter().flatten();
        let listed = list.filter(|it| kind(it) == DEPLOYMENTS || kind(it).ends_with(CREDENTIALS));
        let listed = listed.map(|it| (called(it, scope), it)).collect();
        Self { named, listed, scope, left: MOST.into() }
    }

    /// What a resource waits for, and what that does.
    pub(super) fn before(&self, resource: &'a Value) -> Before {
        let (mut seen, mut open, mut before) = (BTreeSet::new(), vec![resource], Before::default());
        while let Some(resource) = open.pop() {
            let on = resource.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
            for on in on.filter_map(Value::as_str).filter(|on| !on.is_empty() && seen.insert(*on)) {
                let found = self.find(on);
                if self.left.get() == 0 {
                    before.more = true;
                    return before;
                }
                let Some((name, other)) = found else {
                    before.more |= may_be_credential(on);
                    continue;
                };
                if self.has_credential(other, DEPTH) {
                    before.named.insert(name);
                }
                open.push(other);
            }
        }
        before
    }

    /// The resource that `dependsOn` names, if it is one with a symbol, a module or a credential, and what
    /// it is called.
    fn find(&self, on: &str) -> Option<(String, &'a Value)> {
        if let Some(one) = self.named.get(on) {
            return Some((on.into(), one));
        }
        let lower = on.to_ascii_lowercase();
        let id = self.scope.value(&Value::String(on.into()));
        let id = whole(&id).and_then(name_within).unwrap_or_default();
        let is_meant = |(called, it): &&(String, &Value)| {
            let name = it.get("name").and_then(Value::as_str).unwrap_or_default();
            let of_kind = if kind(it) == DEPLOYMENTS { DEPLOYMENTS } else { CREDENTIALS };
            let named = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                Some(expression) => on.contains(expression),
                None => !name.is_empty() && (on == name || on.contains(&format!("'{name}'"))),
            };
            on == called || lower.contains(of_kind) && (named || id.eq_ignore_ascii_case(called))
        };
        let (called, one) = self.listed.iter().take_while(|_| self.look()).find(is_meant)?;
        Some((called.clone(), one))
    }

    /// Looks at one more resource; false if that is too many.
    fn look(&self) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        self.left.get() > 0
    }

    /// Whether a resource is a credential, or a module with one in it, or one that cannot be looked into.
    fn has_credential(&self, resource: &Value, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1).filter(|_| self.look()) else { return true };
        let kind = kind(resource);
        if kind.ends_with(CREDENTIALS) {
            return true;
        }
        let within = |of: &Value| match of.get("resources") {
            Some(Value::Array(list)) => list.iter().any(|it| self.has_credential(it, depth)),
            Some(Value::Object(named)) => named.values().any(|it| self.has_credential(it, depth)),
            _ => false,
        };
        // one that is linked is elsewhere
        kind == DEPLOYMENTS && resource.pointer("/properties/template").is_none_or(within)
    }
}

/// What a resource of a list is called.
fn called(resource: &Value, scope: &Scope) -> String {
    let written = resource.get("name").and_then(Value::as_str).unwrap_or_default();
    let name = scope.value(&Value::String(written.into()));
    whole(&name).unwrap_or(written).into()
}

/// The names in a resource id: `a/b` of `…/providers/NAMESPACE/as/a/bs/b`.
fn name_within(id: &str) -> Option<String> {
    let (_, of) = id.rsplit_once("/providers/")?;
    let names: Vec<&str> = of.split('/').skip(1).collect();
    let names: Option<Vec<&str>> = names.chunks(2).map(|pair| pair.get(1).copied()).collect();
    names.map(|names| names.join("/"))
}

fn kind(resource: &Value) -> String {
    let kind = resource.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.split('@').next().unwrap_or_default().to_ascii_lowercase()
}

/// A plain name may be a credential's, an id says of what type it is.
fn may_be_credential(on: &str) -> bool {
    let on = on.to_ascii_lowercase();
    on.contains(CREDENTIALS) || on.contains(DEPLOYMENTS) || !on.contains('/')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Scope, Symbols};

    const FIC: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

    fn module(name: &str, kind: &str) -> Value {
        json!({"type": "Microsoft.Resources/deployments", "name": name,
            "properties": {"template": {"resources": [{"type": kind}]}}})
    }

    fn check(template: &Value, cases: &[(Value, &[&str], bool)]) {
        let scope = Scope::default();
        let symbols = Symbols::of(template, &scope);
        for (on, named, more) in cases {
            let resource = json!({"dependsOn": on});
            let before = symbols.before(&resource);
            assert_eq!(before.named.iter().map(String::as_str).collect::<Vec<_>>(), *named, "{on}");
            assert_eq!(before.more, *more, "{on}");
        }
    }

    #[test]
    fn a_symbol_is_what_it_stands_for() {
        let template = json!({"resources": {
            "id": {"type": "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30", "dependsOn": ["vault"],
                "resources": {"inner": {"type": "federatedIdentityCredentials"}}},
            "vault": {"type": "Microsoft.KeyVault/vaults", "dependsOn": ["id"]},
            "first": {"type": format!("{FIC}@2024-11-30")},
            "second": {"type": format!("{FIC}@2024-11-30"), "dependsOn": ["first"]},
            "idle": {"type": "Microsoft.Resources/deploymentScripts"},
            "script": {"type": "Microsoft.Resources/deploymentScripts", "dependsOn": ["first"]},
            "without": module("without", "Microsoft.KeyVault/vaults"),
            "with": module("with", FIC),
            "linked": {"type": "Microsoft.Resources/deployments", "properties": {"templateLink": {}}}}});
        let cases: [(Value, &[&str], bool); 12] = [
            (json!([]), &[], false),
            (json!(["id"]), &[], false),
            (json!(["vault", "id", "idle", "without"]), &[], false),
            (json!(["id", "first"]), &["first"], false),
            (json!(["second"]), &["first", "second"], false),
            (json!(["inner"]), &["inner"], false),
            (json!(["script"]), &["first"], false),
            (json!(["with"]), &["with"], false),
            (json!(["linked"]), &["linked"], false),
            (json!(["elsewhere"]), &[], true),
            (json!(["[resourceId('Microsoft.KeyVault/vaults', 'v')]"]), &[], false),
            (json!([1, ""]), &[], false),
        ];
        check(&template, &cases);
    }

    #[test]
    fn what_a_list_has_is_found_by_its_name() {
        let on = |name: &str| json!([format!("[resourceId('Microsoft.Resources/deployments', {name})]")]);
        let credential = |name: &str| json!([format!("[resourceId('{FIC}', 'id', '{name}')]")]);
        let template = json!({"resources": [
            module("with", FIC),
            module("[format('m-{0}', 'x')]", "Microsoft.KeyVault/vaults"),
            {"type": FIC, "name": "id/a"},
            {"type": FIC, "name": "[format('{0}/b', 'id')]", "dependsOn": credential("a")}]});
        let cases: [(Value, &[&str], bool); 8] = [
            (on("'with'"), &["with"], false),
            (on("format('m-{0}', 'x')"), &[], false),
            (on("'elsewhere'"), &[], true),
            (credential("a"), &["id/a"], false),
            (credential("b"), &["id/a", "id/b"], false),
            (credential("elsewhere"), &[], true),
            (json!(["id/a"]), &["id/a"], false),
            (json!(["plain"]), &[], true),
        ];
        check(&template, &cases);
    }
}
