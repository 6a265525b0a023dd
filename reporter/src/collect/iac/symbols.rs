//! Order within a template: what a resource waits for, whether `dependsOn` names it by its symbol
//! (`languageVersion` 2.0) or by its id.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const CREDENTIALS: &str = "federatedidentitycredentials";
const DEPLOYMENTS: &str = "microsoft.resources/deployments";
/// How deeply a module is searched.
const DEPTH: usize = 64;
/// How many resources are looked at for one template; what is left is not told.
const MOST: u32 = 1 << 20;

/// The resources of a template: by their symbols, children among them, where they have any.
pub(super) struct Symbols<'a> {
    named: BTreeMap<&'a str, &'a Value>,
    /// The modules of a list.
    modules: Vec<&'a Value>,
    /// How many more resources may be looked at.
    left: Cell<u32>,
}

impl<'a> Symbols<'a> {
    pub(super) fn of(template: &'a Value) -> Self {
        let (mut named, mut open) = (BTreeMap::new(), vec![template]);
        while let Some(resource) = open.pop() {
            for (symbol, child) in resource.get("resources").and_then(Value::as_object).into_iter().flatten() {
                named.insert(symbol.as_str(), child);
                open.push(child);
            }
        }
        let list = template.get("resources").and_then(Value::as_array).into_iter().flatten();
        Self { named, modules: list.filter(|it| kind(it) == DEPLOYMENTS).collect(), left: MOST.into() }
    }

    /// Whether a resource waits for a federated credential, or for something of which that cannot be
    /// told.
    pub(super) fn leads_to_credential(&self, resource: &'a Value) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![resource]);
        while let Some(resource) = open.pop() {
            let on = resource.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
            for on in on.filter_map(Value::as_str).filter(|on| !on.is_empty()) {
                match self.find(on) {
                    _ if self.left.get() == 0 => return true,
                    Some(other) if self.has_credential(other, DEPTH) => return true,
                    Some(other) if seen.insert(on) => open.push(other),
                    Some(_) => {}
                    None if may_be_credential(on) => return true,
                    None => {}
                }
            }
        }
        false
    }

    /// The resource that `dependsOn` names, if it is one with a symbol, or a module.
    fn find(&self, on: &str) -> Option<&'a Value> {
        let is_meant = |module: &&&Value| {
            let name = module.get("name").and_then(Value::as_str).unwrap_or_default();
            match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                Some(expression) => on.contains(expression),
                None => !name.is_empty() && (on == name || on.contains(&format!("'{name}'"))),
            }
        };
        let is_module = || on.to_ascii_lowercase().contains(DEPLOYMENTS);
        let module = || self.modules.iter().take_while(|_| self.look()).find(is_meant).copied();
        self.named.get(on).copied().or_else(|| if is_module() { module() } else { None })
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

    use super::Symbols;

    const FIC: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

    fn module(name: &str, kind: &str) -> Value {
        json!({"type": "Microsoft.Resources/deployments", "name": name,
            "properties": {"template": {"resources": [{"type": kind}]}}})
    }

    fn check(template: &Value, cases: &[(Value, bool)]) {
        let symbols = Symbols::of(template);
        for (on, waits) in cases {
            assert_eq!(symbols.leads_to_credential(&json!({"dependsOn": on})), *waits, "{on}");
        }
    }

    #[test]
    fn a_symbol_is_what_it_stands_for() {
        let template = json!({"resources": {
            "id": {"type": "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30", "dependsOn": ["vault"],
                "resources": {"inner": {"type": "federatedIdentityCredentials"}}},
            "vault": {"type": "Microsoft.KeyVault/vaults", "dependsOn": ["id"]},
            "first": {"type": format!("{FIC}@2024-11-30")},
            "idle": {"type": "Microsoft.Resources/deploymentScripts"},
            "script": {"type": "Microsoft.Resources/deploymentScripts", "dependsOn": ["first"]},
            "without": module("without", "Microsoft.KeyVault/vaults"),
            "with": module("with", FIC),
            "linked": {"type": "Microsoft.Resources/deployments", "properties": {"templateLink": {}}}}});
        let cases = [
            (json!([]), false),
            (json!(["id"]), false),
            (json!(["vault", "id", "idle", "without"]), false),
            (json!(["id", "first"]), true),
            (json!(["inner"]), true),
            (json!(["script"]), true),
            (json!(["with"]), true),
            (json!(["linked"]), true),
            (json!(["elsewhere"]), true),
            (json!(["[resourceId('Microsoft.KeyVault/vaults', 'v')]"]), false),
            (json!([1, ""]), false),
        ];
        check(&template, &cases);
    }

    #[test]
    fn a_module_of_a_list_is_found_by_its_name() {
        let on = |name: &str| json!([format!("[resourceId('Microsoft.Resources/deployments', {name})]")]);
        let modules = [module("with", FIC), module("[format('m-{0}', 'x')]", "Microsoft.KeyVault/vaults")];
        let template = json!({"resources": modules});
        let cases = [
            (on("'with'"), true),
            (on("format('m-{0}', 'x')"), false),
            (on("'elsewhere'"), true),
            (json!([format!("[resourceId('{FIC}', 'id', 'a')]")]), true),
            (json!(["plain"]), true),
        ];
        check(&template, &cases);
    }

    #[test]
    fn what_takes_too_long_to_tell_may_be_a_credential() {
        let template = json!({"resources": {"vault": {"type": "Microsoft.KeyVault/vaults"}}});
        let symbols = Symbols::of(&template);
        let resource = json!({"dependsOn": ["vault"]});
        assert!(!symbols.leads_to_credential(&resource));
        symbols.left.set(0);
        assert!(symbols.leads_to_credential(&resource));
    }
}
