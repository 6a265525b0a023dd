//! References: what a plan's configuration says of a resource where its values are not known yet:
//! which attributes are written, which resource they name, and for which versions of a provider. Of a
//! `local` it says that it is referred to, and not what it is.

use std::collections::BTreeSet;

use serde_json::Value;

/// How many resources are followed to what is applied before them.
const MOST: usize = 256;

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

    /// Whether the provider is used that puts nothing in turn.
    pub(super) fn has_azapi(&self) -> bool {
        self.0.and_then(|it| it.get("provider_config")?.get("azapi")).is_some()
    }

    /// The attributes that are written for the resource of that address.
    pub(super) fn written(&self, address: &str) -> Vec<String> {
        let expressions = self.resource(address).and_then(|it| it.get("expressions")?.as_object());
        expressions.map(|it| it.keys().cloned().collect()).unwrap_or_default()
    }

    /// The address of the identity that one of these attributes names, where it is one of the same
    /// module, the only one of its address, and all that the attribute refers to.
    pub(super) fn owner(&self, address: &str, attributes: &[&str]) -> Option<String> {
        let expressions = self.resource(address)?.get("expressions")?;
        let references = attributes.iter().find_map(|name| expressions.get(*name)?.get("references")?.as_array())?;
        let of = |reference: &Value| -> Option<String> {
            let mut steps = reference.as_str()?.split('.');
            let (kind, name) = (steps.next()?, steps.next()?);
            let known = [
                "azurerm_user_assigned_identity",
                "azuread_application",
                "azuread_application_registration",
                "azapi_resource",
            ];
            (known.contains(&kind) && !name.contains('[')).then(|| format!("{kind}.{name}"))
        };
        let mut all = references.iter().map(of);
        let named = all.next()??;
        if !all.all(|other| other.as_ref() == Some(&named)) {
            return None;
        }
        let (module, _) = split(address);
        Some(if module.is_empty() { named } else { format!("{module}.{named}") })
    }

    /// The addresses of all that is applied before the resource of that address: what it or a module
    /// around it depends on or refers to, what that does, and so on. An empty one stands for what is not told:
    /// what a `local` depends on, or all that there is too much of to follow.
    pub(super) fn before(&self, address: &str) -> Vec<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![address.to_owned()]);
        while let Some(address) = open.pop() {
            if seen.len() > MOST {
                return vec![String::new()];
            }
            let (module, own) = split(&address);
            let own = self.module(module).and_then(|at| declaration(at, own));
            let mut found = own.map(|own| named_by(own, module)).unwrap_or_default();
            let mut around: Vec<&str> = steps(module).filter(|step| *step != "module").collect();
            while let Some(name) = around.pop() {
                let outer = around.iter().map(|name| format!("module.{name}")).collect::<Vec<_>>().join(".");
                let call = self.module(&outer).and_then(|at| at.get("module_calls")?.get(without_index(name)));
                found.extend(call.map(|call| named_by(call, &outer)).unwrap_or_default());
            }
            open.extend(found.into_iter().filter(|it| seen.insert(it.clone()) && !it.is_empty()));
        }
        seen.into_iter().collect()
    }

    fn resource(&self, address: &str) -> Option<&'a Value> {
        let (module, own) = split(address);
        declaration(self.module(module)?, own)
    }

    /// The configuration of a module.
    fn module(&self, module: &str) -> Option<&'a Value> {
        let mut at = self.0?.get("root_module")?;
        for step in steps(module).filter(|step| *step != "module") {
            at = at.get("module_calls")?.get(without_index(step))?.get("module")?;
        }
        Some(at)
    }
}

/// A resource of a module.
fn declaration<'a>(module: &'a Value, own: &str) -> Option<&'a Value> {
    let own = without_index(own);
    module.get("resources")?.as_array()?.iter().find(|it| it.get("address").is_some_and(|address| address == own))
}

/// The addresses of the resources and modules that something depends on or refers to, in its module; an empty
/// one for a `local`.
fn named_by(it: &Value, module: &str) -> Vec<String> {
    let written = ["expressions", "for_each_expression", "count_expression"].map(|name| it.get(name));
    let (mut named, mut open) = (Vec::new(), Vec::from(written));
    let texts = |list: Option<&Value>| -> Vec<String> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(Into::into).collect()
    };
    named.extend(texts(it.get("depends_on")));
    while let Some(value) = open.pop() {
        match value {
            Some(Value::Array(list)) => open.extend(list.iter().map(Some)),
            Some(Value::Object(members)) => {
                named.extend(texts(members.get("references")));
                open.extend(members.values().map(Some));
            }
            _ => {}
        }
    }
    let address = |reference: &String| {
        let mut steps = steps(reference);
        let (kind, name) = (steps.next()?, without_index(steps.next()?));
        let other = ["var", "each", "count", "self", "path", "terraform", "data"].contains(&kind);
        if kind == "local" {
            return Some(String::new());
        }
        let own = format!("{kind}.{name}");
        (!other).then(|| if module.is_empty() { own } else { format!("{module}.{own}") })
    };
    named.iter().filter_map(address).collect()
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
    use serde_json::json;

    use super::{Configuration, split};

    #[test]
    fn what_is_applied_before_is_followed_to_its_end_and_out_of_modules() {
        let resource = |name: &str, more: serde_json::Value| {
            let mut all = json!({"address": format!("x.{name}")});
            all.as_object_mut().into_iter().for_each(|all| all.extend(more.as_object().cloned().unwrap_or_default()));
            all
        };
        let within = json!({"resources": [
            resource("in", json!({"expressions": {"name": {"references": ["var.name", "x.own.id", "x.own"]}}})),
            resource("own", json!({}))]});
        let document = json!({"configuration": {"root_module": {
            "resources": [
                resource("a", json!({})),
                resource("b", json!({"depends_on": ["x.a"]})),
                resource("c", json!({"expressions": {"list": [{"of": {"references": ["x.b[0].id", "each.key"]}}]}}))],
            "module_calls": {"m": {"module": within, "depends_on": ["x.b"]}}}}});
        let before = |address: &str| Configuration::of(&document).before(address);
        assert_eq!(before("x.a"), [""; 0]);
        assert_eq!(before("x.c[\"k\"]"), ["x.a", "x.b"]);
        assert_eq!(before("module.m[0].x.in"), ["module.m[0].x.own", "x.a", "x.b"]);
        assert_eq!(before("module.none.x.in"), [""; 0]);
    }

    #[test]
    fn what_a_local_depends_on_is_not_told() {
        let document = json!({"configuration": {"root_module": {"resources": [
            {"address": "x.a", "expressions": {"name": {"references": ["local.names", "each.key"]}}},
            {"address": "x.b", "expressions": {"name": {"references": ["x.a.id", "x.a"]}}},
            {"address": "x.c", "for_each_expression": {"references": ["local.all"]}}]}}});
        let before = |address: &str| Configuration::of(&document).before(address);
        assert_eq!(before("x.a"), [""]);
        assert_eq!(before("x.b"), ["", "x.a"]);
        assert_eq!(before("x.c[\"k\"]"), [""]);
    }

    #[test]
    fn an_identity_is_named_where_nothing_else_may_be_meant() {
        let owner = |references: &[&str]| {
            let expressions = json!({"parent_id": {"references": references}});
            let resources = json!([{"address": "x.a", "expressions": expressions}]);
            let document = json!({"configuration": {"root_module": {"resources": resources}}});
            Configuration::of(&document).owner("x.a", &["parent_id"])
        };
        let (one, other) = ("azurerm_user_assigned_identity.one", "azurerm_user_assigned_identity.other");
        assert_eq!(owner(&[&format!("{one}.id"), one]).as_deref(), Some(one));
        assert_eq!(owner(&[&format!("{one}.id"), one, &format!("{other}.id"), other]), None, "one of the two");
        assert_eq!(owner(&["local.id"]), None);
        assert_eq!(owner(&[&format!("{one}.id"), one, "local.ids"]), None);
        assert_eq!(owner(&["var.own", &format!("{one}.id"), one]), None);
        assert_eq!(owner(&[]), None);
    }

    #[test]
    fn of_a_chain_too_long_to_follow_not_all_is_told() {
        let chain = |length: usize| {
            let link = |n: usize| json!({"address": format!("x.r{n}"), "depends_on": [format!("x.r{}", n + 1)]});
            let resources: Vec<_> = (0..length).map(link).collect();
            let document = json!({"configuration": {"root_module": {"resources": resources}}});
            Configuration::of(&document).before("x.r0").len()
        };
        assert_eq!((chain(100), chain(1000)), (100, 1));
    }

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
