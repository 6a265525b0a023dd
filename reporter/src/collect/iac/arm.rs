//! Templates of Azure Resource Manager, as `bicep build` prints them: resources one after the other
//! or by symbolic name, children inside their parents, and modules as nested deployments.

use serde_json::{Map, Value};
use wiguard_rules::declared::{Coming, DeclaredCredential, Tool};
use wiguard_rules::model::{Audience, Cluster, IdentityKind, Origin, Platform};

use super::expression::{Scope, is_whole, whole};
use super::lines::Lines;
use super::symbols::{Before, Symbols};
use super::{Declaration, Declarations, DeclaredBinding, DeclaredIdentity, Key, Whose, identity};

const IDENTITIES: &str = "microsoft.managedidentity/userassignedidentities";
const CREDENTIALS: &str = "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials";
const CLUSTERS: &str = "microsoft.containerservice/managedclusters";
const BINDINGS: &str = "microsoft.containerservice/managedclusters/identitybindings";
const APPLICATIONS: &str = "microsoft.graph/applications";
const APP_CREDENTIALS: &str = "microsoft.graph/applications/federatedidentitycredentials";
const DEPLOYMENTS: &str = "microsoft.resources/deployments";
/// How deeply modules may nest.
const DEPTH: usize = 16;

/// Reads a template.
pub(super) fn read(template: &Value, lines: &mut Lines<'_>) -> Declarations {
    let mut reader = Reader { lines, found: Declarations::default() };
    let scope = scope(template, &Map::new());
    let place = Place {
        scope: &scope,
        within: "",
        target: Target::default(),
        symbols: Symbols::of(template, &scope),
        looped: false,
        after: Vec::new(),
        waits: false,
    };
    reader.resources(template, None, &place, DEPTH);
    reader.found
}

/// What the expressions of a template can refer to: what it is given, else the defaults. Secure
/// parameters are not read at all.
fn scope(template: &Value, given: &Map<String, Value>) -> Scope {
    let members = |name: &str| template.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut scope = Scope { parameters: Map::new(), variables: members("variables") };
    for (name, parameter) in members("parameters") {
        let kind = parameter.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        if kind.starts_with("secure") {
            continue;
        }
        let value = given.get(&name).cloned().or_else(|| Some(scope.value(parameter.get("defaultValue")?)));
        scope.parameters.extend(value.map(|value| (name, value)));
    }
    scope
}

struct Reader<'r, 'a> {
    lines: &'r mut Lines<'a>,
    found: Declarations,
}

/// The template that a resource stands in.
struct Place<'a> {
    scope: &'a Scope,
    /// The modules it is in.
    within: &'a str,
    target: Target,
    symbols: Symbols<'a>,
    /// Whether the module is one of several that are deployed at once.
    looped: bool,
    /// The addresses of what the module waits for.
    after: Vec<String>,
    /// Whether it waits for more, of which it is not known what it is.
    waits: bool,
}

/// Where a module is deployed to; empty as far as it is not said or not known.
#[derive(Clone, Default)]
struct Target {
    subscription: String,
    group: String,
}

/// A resource with the type and name of what it stands in put before its own.
struct Resource<'a> {
    kind: String,
    /// Evaluated, with holes.
    name: String,
    address: String,
    body: &'a Value,
}

impl Reader<'_, '_> {
    fn resources(&mut self, of: &Value, parent: Option<&Resource<'_>>, place: &Place<'_>, depth: usize) {
        match of.get("resources") {
            Some(Value::Array(list)) => list.iter().for_each(|it| self.resource(it, None, parent, place, depth)),
            Some(Value::Object(named)) => {
                named.iter().for_each(|(symbol, it)| self.resource(it, Some(symbol), parent, place, depth));
            }
            _ => {}
        }
    }

    fn resource(
        &mut self,
        body: &Value,
        symbol: Option<&str>,
        parent: Option<&Resource<'_>>,
        place: &Place<'_>,
        depth: usize,
    ) {
        let Place { scope, within, .. } = place;
        let Some(depth) = depth.checked_sub(1) else {
            let line = self.lines.of("");
            return self.found.defects.push((line, "could not read all modules: they nest too deep".into()));
        };
        // `existing` is only referred to, and what has a condition may not come about
        let conditional = body.get("condition").is_some_and(|it| scope.value(it) != Value::Bool(true));
        if body.get("existing") == Some(&Value::Bool(true)) || conditional {
            return;
        }
        let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.split('@').next().unwrap_or_default();
        let written = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = scope.value(&Value::String(written.into())).as_str().unwrap_or_default().to_string();
        let (kind, name) = match parent {
            Some(parent) if !kind.contains('.') => {
                (format!("{}/{kind}", parent.kind), format!("{}/{name}", parent.name))
            }
            _ => (kind.to_ascii_lowercase(), name),
        };
        let kind = kind.to_ascii_lowercase();
        let shown = match symbol {
            Some(symbol) => symbol.to_string(),
            None if is_whole(&name) && !name.is_empty() => name.clone(),
            None => written.to_string(),
        };
        let address = if within.is_empty() { shown } else { format!("{within}/{shown}") };
        let line = match symbol {
            Some(symbol) => self.lines.of_key(symbol),
            None => self.lines.of(written),
        };
        let resource = Resource { kind, name, address, body };
        if resource.kind == DEPLOYMENTS {
            return self.module(&resource, place, depth);
        }
        resource.declare(place, line, &mut self.found);
        self.resources(body, Some(&resource), place, depth);
    }

    /// A nested deployment: a module has a scope of its own, unless it says that it has not.
    fn module(&mut self, deployment: &Resource<'_>, place: &Place<'_>, depth: usize) {
        let scope = place.scope;
        let Some(template) = deployment.body.pointer("/properties/template") else { return };
        let evaluated =
            deployment.body.pointer("/properties/expressionEvaluationOptions/scope").and_then(Value::as_str);
        let inner = evaluated.is_some_and(|it| it.eq_ignore_ascii_case("inner"));
        let given = deployment.body.pointer("/properties/parameters").and_then(Value::as_object);
        let given: Map<String, Value> = given
            .into_iter()
            .flatten()
            .filter_map(|(name, given)| Some((name.clone(), scope.value(given.get("value")?))))
            .collect();
        let own = if inner { self::scope(template, &given) } else { scope.clone() };
        let in_turn = deployment.is_one_at_a_time();
        let (after, waits) = deployment.before(place);
        let inner = Place {
            scope: &own,
            within: &deployment.address,
            target: deployment.target(place),
            symbols: Symbols::of(template, &own),
            looped: place.looped || deployment.is_copied() && !in_turn,
            after,
            waits,
        };
        self.resources(template, None, &inner, depth);
    }
}

impl Target {
    /// What is named there.
    fn whose(&self, name: String) -> Whose {
        Whose::Name { name, resource_group: self.group.clone(), subscription: self.subscription.clone() }
    }

    /// The id that a resource there has; empty if not all of it is known.
    fn id(&self, kind: &str, name: &str) -> String {
        let Self { subscription, group } = self;
        if subscription.is_empty() || group.is_empty() {
            return String::new();
        }
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}")
    }
}

impl Resource<'_> {
    fn declare(&self, place: &Place<'_>, line: u32, found: &mut Declarations) {
        match self.kind.as_str() {
            IDENTITIES | APPLICATIONS => found.identities.extend(self.identity(place, line)),
            CREDENTIALS | APP_CREDENTIALS => found.credentials.push(self.credential(place, line)),
            CLUSTERS => found.clusters.extend(self.cluster(place, line)),
            BINDINGS => found.bindings.extend(self.binding(place)),
            _ => {}
        }
    }

    fn property(&self, scope: &Scope, name: &str) -> Value {
        // extensions such as Graph's have their properties there too
        let value = self.body.get("properties").and_then(|properties| properties.get(name));
        value.map_or(Value::Null, |value| scope.value(value))
    }

    fn text(&self, scope: &Scope, name: &str) -> Option<String> {
        whole(&self.property(scope, name)).map(Into::into)
    }

    /// Where a nested deployment goes: where its template does, unless it says otherwise.
    fn target(&self, place: &Place<'_>) -> Target {
        let said = |name: &str, inherited: &str| match self.body.get(name) {
            Some(value) => whole(&place.scope.value(value)).unwrap_or_default().to_owned(),
            None => inherited.to_owned(),
        };
        let Target { subscription, group } = &place.target;
        Target { subscription: said("subscriptionId", subscription), group: said("resourceGroup", group) }
    }

    fn identity(&self, place: &Place<'_>, line: u32) -> Option<DeclaredIdentity> {
        let scope = place.scope;
        let (kind, name) = if self.kind == IDENTITIES {
            (IdentityKind::UserAssigned, Some(self.name.clone()).filter(|name| is_whole(name) && !name.is_empty()))
        } else {
            (IdentityKind::Application, self.text(scope, "displayName"))
        };
        let mut made = identity(kind, &name?, &self.address, line);
        let location = self.body.get("location").map(|it| scope.value(it));
        made.location = location.as_ref().and_then(whole).unwrap_or_default().into();
        let mut subscription = String::new();
        if kind == IdentityKind::UserAssigned {
            let target = place.target.clone();
            (made.resource_group, subscription) = (target.group, target.subscription);
        }
        // nothing tells whether two loops make the same one
        let key = Key::Address(self.address.clone());
        (!self.is_copied()).then_some(DeclaredIdentity { identity: made, key, subscription, coming: Coming::Nothing })
    }

    fn credential(&self, place: &Place<'_>, line: u32) -> Declaration {
        let scope = place.scope;
        let named = if self.kind == CREDENTIALS {
            self.name.clone()
        } else {
            self.property(scope, "name").as_str().unwrap_or_default().into()
        };
        let (parent, name) = named.rsplit_once('/').unwrap_or(("", &named));
        let known = |part: &str| Some(part.to_string()).filter(|part| is_whole(part) && !part.is_empty());
        let audiences = match self.property(scope, "audiences") {
            Value::Array(list) => list.iter().map(|it| whole(it).map(Audience::from)).collect(),
            _ => None,
        };
        let expression = self.property(scope, "claimsMatchingExpression");
        let copied = self.is_copied();
        let (after, waits) = self.before(place);
        let in_turn = !place.looped && (waits || self.is_one_at_a_time());
        let credential = DeclaredCredential {
            address: self.address.clone(),
            identity: String::new(),
            name: known(name).filter(|_| !copied).unwrap_or_default(),
            issuer: self.text(scope, "issuer").map(Into::into),
            subject: self.text(scope, "subject").map(Into::into),
            expression: expression.get("value").and_then(whole).map(Into::into),
            audiences,
            coming: Coming::Nothing,
            after,
            planned: None,
            tool: Tool::Template { copied: copied || place.looped, in_turn },
            origin: Origin { source: 0, line },
        };
        let parent = match known(parent) {
            Some(name) if self.kind == CREDENTIALS => place.target.whose(name),
            _ => Whose::Unknown,
        };
        Declaration { credential, parent }
    }

    /// What a template leaves out, Azure chooses: it is unknown, not off.
    fn cluster(&self, place: &Place<'_>, line: u32) -> Option<Cluster> {
        let scope = place.scope;
        let switch = |profile: &Value| profile.get("enabled").and_then(Value::as_bool);
        let security = self.property(scope, "securityProfile");
        let sku = self.body.pointer("/sku/name").map(|it| scope.value(it));
        (is_whole(&self.name) && !self.name.is_empty()).then(|| Cluster {
            name: self.name.clone(),
            id: place.target.id("Microsoft.ContainerService/managedClusters", &self.name),
            resource_group: place.target.group.clone(),
            platform: Platform::Aks,
            oidc_issuer_enabled: switch(&self.property(scope, "oidcIssuerProfile")),
            workload_identity_enabled: security.get("workloadIdentity").and_then(switch),
            automatic: sku.as_ref().and_then(whole).is_some_and(|sku| sku.eq_ignore_ascii_case("Automatic")),
            kubernetes_version: self.text(scope, "kubernetesVersion").unwrap_or_default(),
            declared: Some(self.address.clone()),
            origin: Origin { source: 0, line },
            ..Cluster::default()
        })
    }

    fn binding(&self, place: &Place<'_>) -> Option<DeclaredBinding> {
        let (cluster, name) = self.name.rsplit_once('/').filter(|_| is_whole(&self.name) && !self.is_copied())?;
        let managed = self.property(place.scope, "managedIdentity");
        let said = |name: &str| managed.get(name).and_then(whole).map(String::from);
        let identity = match said("resourceId") {
            Some(id) if id.starts_with("/subscriptions/") => Whose::Id(id),
            // whose group it does not name may be in any
            Some(id) => Target::default().whose(id.rsplit('/').next().unwrap_or_default().into()),
            None => Whose::Unknown,
        };
        Some(DeclaredBinding {
            name: name.into(),
            cluster: place.target.whose(cluster.into()),
            identity,
            client_id: said("clientId").unwrap_or_default().into(),
        })
    }

    fn is_copied(&self) -> bool {
        self.body.get("copy").is_some_and(|copy| copy.get("count").is_none_or(|count| count.as_u64() != Some(1)))
    }

    /// Whether it is a loop that makes one at a time.
    fn is_one_at_a_time(&self) -> bool {
        let copy = |name: &str| self.body.get("copy").and_then(|copy| copy.get(name));
        let serial = copy("mode").and_then(Value::as_str).is_some_and(|mode| mode.eq_ignore_ascii_case("serial"));
        self.is_copied() && serial && copy("batchSize").is_none_or(|size| size.as_u64() == Some(1))
    }

    /// The addresses of the credentials and modules that it waits for, and whether it waits for more.
    fn before(&self, place: &Place<'_>) -> (Vec<String>, bool) {
        let Before { named, more } = place.symbols.before(self.body);
        let address = |name: String| if place.within.is_empty() { name } else { format!("{}/{name}", place.within) };
        let own = named.into_iter().map(address);
        (place.after.iter().cloned().chain(own).collect(), place.waits || more)
    }
}
