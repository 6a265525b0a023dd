//! Symbolic names: which resource of a template another one waits for, where `dependsOn` names it by its
//! symbol (`languageVersion` 2.0) rather than by its id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The resources of a template by their symbols, children among them; none where it is a list.
pub(super) struct Symbols<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> Symbols<'a> {
    pub(super) fn of(template: &'a Value) -> Self {
        let (mut all, mut open) = (BTreeMap::new(), vec![template]);
        while let Some(resource) = open.pop() {
            let named = resource.get("resources").and_then(Value::as_object).into_iter().flatten();
            for (symbol, child) in named {
                all.insert(symbol.as_str(), child);
                open.push(child);
            }
        }
        Self(all)
    }

    /// Whether a resource waits for a federated credential, or for something of which that cannot be
    /// told: a module, or what the template does not have.
    pub(super) fn leads_to_credential(&self, resource: &'a Value) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![resource]);
        while let Some(resource) = open.pop() {
            let on =
                resource.get("dependsOn").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            for named in on.filter(|named| !named.is_empty()) {
                let Some(other) = self.0.get(named).copied() else {
                    let named = named.to_ascii_lowercase();
                    // a plain name may be a credential's, an id says of what type it is
                    if named.contains("federatedidentitycredentials") || !named.contains('/') {
                        return true;
                    }
                    continue;
                };
                let kind = other.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
                if kind.contains("federatedidentitycredentials") || kind.starts_with("microsoft.resources/deployments")
                {
                    return true;
                }
                if seen.insert(named) {
                    open.push(other);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Symbols;

    #[test]
    fn a_symbol_is_what_it_stands_for() {
        let template = json!({"resources": {
            "id": {"type": "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30", "dependsOn": ["vault"],
                "resources": {"inner": {"type": "federatedIdentityCredentials"}}},
            "vault": {"type": "Microsoft.KeyVault/vaults", "dependsOn": ["id"]},
            "first": {"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"},
            "script": {"type": "Microsoft.Resources/deploymentScripts", "dependsOn": ["first"]},
            "module": {"type": "Microsoft.Resources/deployments"}}});
        let symbols = Symbols::of(&template);
        for (on, waits) in [
            (json!([]), false),
            (json!(["id"]), false),
            (json!(["vault", "id"]), false),
            (json!(["id", "first"]), true),
            (json!(["inner"]), true),
            (json!(["script"]), true),
            (json!(["module"]), true),
            (json!(["elsewhere"]), true),
            (json!(["[resourceId('Microsoft.KeyVault/vaults', 'v')]"]), false),
            (json!([1, ""]), false),
        ] {
            assert_eq!(symbols.leads_to_credential(&json!({"dependsOn": on})), waits, "{on}");
        }
    }
}
