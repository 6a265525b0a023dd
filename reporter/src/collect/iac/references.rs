//! References: what a plan's configuration says of a resource where its values are not known yet:
//! which attributes are written, which resource they name, and for which versions of a provider.

use serde_json::Value;

/// The configuration of a plan, if the document has one.
pub(super) struct Configuration<'a>(Option<&'a Value>);

impl<'a> Configuration<'a> {
    pub(super) fn of(document: &'a Value) -> Self {
        Self(document.get("configuration"))
    }

    /// The version constraint of a provider.
    pub(super) fn constraint(&self, provider: &str) -> Option<String> {
        let of = self.0?.get("provider_config")?.get(provider)?;
        of.get("version_constraint")?.as_str().map(Into::into)
    }

    /// The attributes that are written for the resource of that address.
    pub(super) fn written(&self, address: &str) -> Vec<String> {
        let expressions = self.resource(address).and_then(|it| it.get("expressions")?.as_object());
        expressions.map(|it| it.keys().cloned().collect()).unwrap_or_default()
    }

    /// The address of the identity that one of these attributes names, where it is one of the same
    /// module and the only one of its address.
    pub(super) fn owner(&self, address: &str, attributes: &[&str]) -> Option<String> {
        let expressions = self.resource(address)?.get("expressions")?;
        let references = attributes.iter().find_map(|name| expressions.get(*name)?.get("references")?.as_array())?;
        let named = references.iter().filter_map(Value::as_str).find_map(|reference| {
            let mut steps = reference.split('.');
            let (kind, name) = (steps.next()?, steps.next()?);
            let known = [
                "azurerm_user_assigned_identity",
                "azuread_application",
                "azuread_application_registration",
                "azapi_resource",
            ];
            (known.contains(&kind) && !name.contains('[')).then(|| format!("{kind}.{name}"))
        })?;
        let (module, _) = split(address);
        Some(if module.is_empty() { named } else { format!("{module}.{named}") })
    }

    fn resource(&self, address: &str) -> Option<&'a Value> {
        let (module, own) = split(address);
        let own = without_index(own);
        let mut at = self.0?.get("root_module")?;
        for step in steps(module).filter(|step| *step != "module") {
            at = at.get("module_calls")?.get(without_index(step))?.get("module")?;
        }
        at.get("resources")?.as_array()?.iter().find(|it| it.get("address").is_some_and(|address| address == own))
    }
}

/// The module of an address, and what is left: `module.a["x.y"].type.name[0]`.
fn split(address: &str) -> (&str, &str) {
    let mut at = 0;
    let mut parts = steps(address);
    while let (Some("module"), Some(name)) = (parts.next(), parts.next()) {
        at += "module.".len() + name.len() + 1;
    }
    let own = address.get(at..).unwrap_or(address);
    (address.get(..at.saturating_sub(1)).unwrap_or_default(), own)
}

/// The steps of an address: a dot within brackets belongs to a key.
fn steps(address: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    address
        .split(move |letter| {
            match letter {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == '.' && depth == 0
        })
        .filter(|step| !step.is_empty())
}

fn without_index(step: &str) -> &str {
    step.split('[').next().unwrap_or(step)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_address_has_a_module_and_its_own_part() {
        assert_eq!(split("azurerm_x.y[0]"), ("", "azurerm_x.y[0]"));
        assert_eq!(split("module.a.azurerm_x.y"), ("module.a", "azurerm_x.y"));
        assert_eq!(
            split("module.a[\"b.c\"].module.d.azurerm_x.y[\"e.f\"]"),
            ("module.a[\"b.c\"].module.d", "azurerm_x.y[\"e.f\"]")
        );
        assert_eq!(split("module"), ("", "module"));
        assert_eq!(split("module.a"), ("module.a", "module.a"), "a broken address breaks nothing");
    }
}
