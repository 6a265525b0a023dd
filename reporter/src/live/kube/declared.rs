//! Declared kinds: those that users name, and the resource under which a cluster serves each, as its
//! discovery says.

use std::collections::BTreeMap;

use serde::Deserialize;
use wiguard_rules::model::PodBearing;

use super::is_label;
use super::kinds::{self, Kind};
use super::server::{Server, WHOLE};
use super::trouble::Trouble;

/// API groups that are read, and the versions in which a cluster serves them.
pub(super) type Groups = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct List {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    namespaced: bool,
}

/// The declared kinds, each once: the first declaration counts.
pub(super) fn each_once(declared: &[&'static PodBearing]) -> Vec<&'static PodBearing> {
    let mut kinds: Vec<&'static PodBearing> = Vec::new();
    for bearing in declared {
        if !kinds.iter().any(|known| known.is(bearing.api_version, bearing.kind)) {
            kinds.push(bearing);
        }
    }
    kinds
}

/// A kind as it is served most likely, for whoever has no cluster to ask.
pub(super) fn likely(bearing: &'static PodBearing) -> Kind {
    served(bearing, version(bearing).into(), bearing.resource.into())
}

/// The groups of a cluster that are read of it.
pub(super) async fn groups(server: &Server, declared: &[&'static PodBearing]) -> Result<Groups, Trouble> {
    let is_read = |group: &Group| {
        kinds::kinds().any(|kind| kind.group == group.name) || declared.iter().any(|it| it.group == group.name)
    };
    let named = |group: Group| (group.name, group.versions.into_iter().map(|it| it.version).collect());
    let read = |json: &[u8]| {
        let list: List = serde_json::from_slice(json).map_err(|_| "it is no list of API groups".to_owned())?;
        // Of the others nobody asks.
        Ok(list.groups.into_iter().filter(is_read).map(named).collect())
    };
    server.ask("/apis", WHOLE, read).await
}

/// A declared kind as a cluster serves it; nothing if it does not.
pub(super) async fn find(
    server: &Server,
    groups: &Result<Groups, Trouble>,
    bearing: &'static PodBearing,
) -> Result<Option<Kind>, Trouble> {
    let groups = groups.as_ref().map_err(Clone::clone)?;
    let mut versions: Vec<&String> = groups.get(bearing.group).into_iter().flatten().collect();
    versions.sort_by_key(|served| *served != version(bearing));
    for version in versions {
        let read = |json: &[u8]| resource(json, bearing.kind);
        match server.ask(&format!("/apis/{}/{version}", bearing.group), WHOLE, read).await {
            Ok(Some(Resource { namespaced: false, .. })) => return Err(Trouble::Nowhere),
            Ok(Some(resource)) => return Ok(Some(served(bearing, version.clone(), resource.name))),
            Ok(None) | Err(Trouble::NotServed) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(None)
}

/// The resource of a kind in what discovery says of a version.
fn resource(json: &[u8], kind: &str) -> Result<Option<Resource>, String> {
    let list: Resources = serde_json::from_slice(json).map_err(|_| "it is no list of API resources".to_owned())?;
    // What has a slash in its name is a part of another.
    Ok(list.resources.into_iter().find(|it| it.kind == kind && is_label(&it.name)))
}

/// It lives as long as the program, like the declaration.
fn served(bearing: &'static PodBearing, version: String, resource: String) -> Kind {
    let kept = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    kinds::bearing(bearing, Box::leak(Box::new([kept(version)])), kept(resource))
}

/// The version in which it was declared.
fn version(bearing: &'static PodBearing) -> &'static str {
    bearing.api_version.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn declared(text: &str) -> &'static PodBearing {
        PodBearing::declared(text).unwrap()
    }

    #[test]
    fn a_kind_is_found_under_the_resource_that_discovery_names() {
        let list = r#"{"kind":"APIResourceList","groupVersion":"example.com/v1","resources":[
            {"name":"widgets/status","kind":"Widget","namespaced":true},
            {"name":"../secrets","kind":"Widget","namespaced":true},
            {"name":"widgetry","singularName":"widget","kind":"Widget","namespaced":true,"verbs":["get","list"]}]}"#;
        assert_eq!(resource(list.as_bytes(), "Widget").unwrap().unwrap().name, "widgetry");
        assert!(resource(list.as_bytes(), "Gadget").unwrap().is_none());
        assert!(resource(b"<html>", "Widget").is_err());
    }

    #[test]
    fn a_kind_that_is_called_like_one_of_kubernetes_is_another() {
        let kind = likely(declared("apps.kruise.io/v1beta1/StatefulSet=spec.template"));
        assert_eq!(kind.path("v1beta1", Some("shop")), "/apis/apps.kruise.io/v1beta1/namespaces/shop/statefulsets");
        assert_eq!(kind.versions, ["v1beta1"]);
        assert_ne!(kind.which(), kinds::named("StatefulSet").unwrap().which());
        assert!(!kind.built_in && kind.optional && kind.namespaced);
    }

    #[test]
    fn of_two_declarations_of_a_kind_the_first_counts() {
        let all = ["a.io/v1/W=spec.one", "a.io/v2/W=spec.two", "b.io/v1/W=spec.three"].map(declared);
        assert_eq!(each_once(&all), [all[0], all[2]]);
    }
}
