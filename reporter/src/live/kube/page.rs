//! A page: what an API server answers to a list, cut into its objects. Each goes through the same
//! reader as an object of a file.

use serde::Deserialize;
use serde::de::IgnoredAny;
use wiguard_rules::manifest::{self, Hint, Manifest, ManifestError};
use wiguard_rules::model::{ClusterIx, Origin};

use super::kinds::{Kind, SECRETS};

/// Objects that are named when they cannot be read.
pub(super) const SHOWN: usize = 3;
/// Characters that are told of each.
const TOLD: usize = 300;

/// A page, reduced to facts.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The objects.
    pub(super) objects: Vec<Manifest>,
    /// How many there were, those included that could not be read.
    pub(super) read: u64,
    /// How many of them could not be read.
    pub(super) broken: u64,
    /// The first of those, and why.
    pub(super) defects: Vec<String>,
    /// The token of the next page, empty if this is the last.
    pub(super) token: String,
    /// How many are left after this page, if the server says so.
    pub(super) left: Option<u64>,
}

/// `metadata` of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}

/// JSON, value by value.
struct Cut<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Reads a page of a kind.
///
/// # Errors
/// Says why it is no such page. Nothing of it is repeated.
pub(super) fn read(kind: &Kind, version: &str, bytes: &[u8]) -> Result<Page, String> {
    let mut cut = Cut { bytes, at: 0 };
    let (mut listed, mut metadata, mut items) = (String::new(), Metadata::default(), None);
    cut.object(|name, value| {
        match name {
            "kind" => listed = serde_json::from_slice(value).map_err(|_| "its kind is no text")?,
            "metadata" => metadata = serde_json::from_slice(value).map_err(|_| "its metadata is not that of a list")?,
            "items" => items = Some(value),
            _ => {}
        }
        Ok(())
    })?;
    // Whoever declares a kind does not say what its lists are called.
    let is_meant = |of| if kind.is_declared() { !listed.is_empty() } else { of == kind.kind };
    if !listed.strip_suffix("List").is_some_and(is_meant) && listed != "PartialObjectMetadataList" {
        return Err(format!("it is no {}List", kind.kind));
    }
    let mut page =
        Page { token: metadata.r#continue.unwrap_or_default(), left: metadata.remaining_item_count, ..Page::default() };
    match items {
        None => return Err("it has no items".into()),
        Some(b"null") => {}
        Some(items) => Cut { bytes: items, at: 0 }.array(|item| {
            page.read += 1;
            match object(kind, version, item) {
                Ok(manifest) => page.objects.extend(manifest),
                Err(defect) => {
                    page.broken += 1;
                    if page.defects.len() < SHOWN {
                        page.defects.push(clipped(defect));
                    }
                }
            }
            Ok(())
        })?,
    }
    Ok(page)
}

/// A defect, of which a server may make as many words as it likes.
fn clipped(defect: String) -> String {
    match defect.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", defect.get(..end).unwrap_or_default()),
        None => defect,
    }
}

/// Reads one object of a kind; nothing, if it could bear pods and does not.
///
/// # Errors
/// Says which one it is and why it cannot be read.
pub(super) fn object(kind: &Kind, version: &str, json: &[u8]) -> Result<Option<Manifest>, String> {
    let api_version = kind.api_version(version);
    let hint = Some(Hint { api_version: &api_version, kind: kind.kind });
    let read = match kind.custom_bearing() {
        Some(bearing) => manifest::read_as(json, hint, bearing, ClusterIx(0), Origin::default()),
        None => manifest::read(json, hint, ClusterIx(0), Origin::default()),
    };
    match read.map(|read| read.manifest) {
        Ok(Manifest::Other { .. }) if kind.custom_bearing().is_some() => Ok(None),
        Ok(manifest) if manifest.id().is_some_and(|(found, ..)| found == kind.kind) => Ok(Some(manifest)),
        Ok(_) => Err(format!("something that is no {}", kind.kind)),
        // What stands where the values of a Secret belong is not repeated.
        Err(ManifestError::Malformed { object, .. }) if kind.kind == SECRETS.kind => Err(object),
        Err(error) => Err(error.to_string()),
    }
}

// === impl Cut ===

impl<'a> Cut<'a> {
    fn object(&mut self, mut each: impl FnMut(&str, &'a [u8]) -> Result<(), &'static str>) -> Result<(), String> {
        self.take(b'{')?;
        let mut first = true;
        while !self.closes(b'}', &mut first)? {
            let name: String = serde_json::from_slice(self.value()?).map_err(|_| self.broken())?;
            self.take(b':')?;
            each(&name, self.value()?)?;
        }
        match self.space() {
            None => Ok(()),
            Some(_) => Err(self.broken()),
        }
    }

    fn array(&mut self, mut each: impl FnMut(&'a [u8]) -> Result<(), String>) -> Result<(), String> {
        self.take(b'[')?;
        let mut first = true;
        while !self.closes(b']', &mut first)? {
            each(self.value()?)?;
        }
        Ok(())
    }

    /// Whether the closing bracket comes, or else what separates a member from the one before.
    fn closes(&mut self, bracket: u8, first: &mut bool) -> Result<bool, String> {
        if self.space() == Some(bracket) {
            self.at += 1;
            return Ok(true);
        }
        if !std::mem::take(first) {
            self.take(b',')?;
        }
        Ok(false)
    }

    fn value(&mut self) -> Result<&'a [u8], String> {
        self.space();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                let length = values.byte_offset();
                self.at += length;
                Ok(rest.get(..length).unwrap_or_default())
            }
            _ => Err(self.broken()),
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), String> {
        if self.space() != Some(byte) {
            return Err(self.broken());
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over white space; the byte behind it.
    fn space(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn broken(&self) -> String {
        if self.at >= self.bytes.len() {
            "it ends too early".into()
        } else {
            format!("it is no JSON at byte {}", self.at)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use wiguard_rules::model::PodBearing;

    use super::*;
    use crate::live::kube::{declared, kinds};

    fn kind(name: &str) -> Kind {
        kinds::named(name).unwrap()
    }

    #[test]
    fn elements_take_their_kind_from_the_list() {
        let page = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"next","remainingItemCount":3},
            "items":[{"metadata":{"name":"a","namespace":"shop"},"spec":{"serviceAccountName":"cart"}}, {"metadata":{"name":"b","namespace":"shop"}}]}"#;
        let page = read(&kind("Pod"), "v1", page.as_bytes()).unwrap();
        let ids: Vec<_> = page.objects.iter().filter_map(Manifest::id).collect();
        assert_eq!(ids, [("Pod", "shop", "a"), ("Pod", "shop", "b")]);
        assert_eq!((page.read, page.token.as_str(), page.left), (2, "next", Some(3)));
    }

    #[test]
    fn metadata_alone_is_read_as_what_was_asked_for() {
        let page = r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{},"items":[
            {"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"cart","namespace":"shop","annotations":{"azure.workload.identity/client-id":"x"}}}]}"#;
        let page = read(&kind("ServiceAccount"), "v1", page.as_bytes()).unwrap();
        let [Manifest::ServiceAccount(account)] = page.objects.as_slice() else { panic!("{page:?}") };
        assert_eq!(account.client_id().unwrap().as_str(), "x");
        assert_eq!(page.token, "");
    }

    #[test]
    fn an_object_that_cannot_be_read_is_named_and_the_others_are_kept() {
        let page = r#"{"kind":"PodList","items":[{"metadata":{"name":"a","namespace":"shop"},"spec":7},
            {"metadata":{"name":"b","namespace":"shop"}}, {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}]}"#;
        let page = read(&kind("Pod"), "v1", page.as_bytes()).unwrap();
        assert_eq!((page.objects.len(), page.read), (1, 3));
        assert!(page.defects[0].starts_with("Pod shop/a: "), "{:?}", page.defects);
        assert_eq!(page.defects[1], "something that is no Pod");
    }

    #[test]
    fn an_object_without_a_template_bears_no_pods_and_is_not_broken() {
        let page = r#"{"kind":"RolloutList","items":[{"metadata":{"name":"a","namespace":"shop"},"spec":{"workloadRef":{"kind":"Deployment","name":"a"}}},
            {"metadata":{"name":"b","namespace":"shop"},"spec":{"template":{"spec":{}}}},
            {"metadata":{"name":"c","namespace":"shop"},"spec":{}}]}"#;
        let page = read(&kind("Rollout"), "v1alpha1", page.as_bytes()).unwrap();
        let [Manifest::Custom(scaler), Manifest::Workload(workload)] = page.objects.as_slice() else {
            panic!("{page:?}")
        };
        assert_eq!((scaler.name.as_str(), workload.name.as_str(), page.read, page.broken), ("a", "b", 3, 0));
    }

    #[test]
    fn a_declared_kind_is_read_by_its_path_whatever_its_lists_are_called() {
        let bearing = PodBearing::declared("example.com/v1/Widget=spec.pods").unwrap();
        let page = r#"{"kind":"WidgetCollectionList","items":[
            {"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"},"spec":{"pods":{"spec":{"serviceAccountName":"cart"}}}},
            {"metadata":{"name":"b","namespace":"shop"},"spec":{"pods":7}}]}"#;
        let page = read(&declared::likely(bearing), "v1", page.as_bytes()).unwrap();
        let [Manifest::Workload(workload)] = page.objects.as_slice() else { panic!("{page:?}") };
        assert_eq!((workload.name.as_str(), workload.service_account()), ("a", "cart"));
        assert!(page.broken == 1 && page.defects[0].starts_with("Widget shop/b: "), "{:?}", page.defects);
    }

    #[test]
    fn however_many_objects_are_broken_few_are_named_and_briefly() {
        let item = format!(r#"{{"metadata":{{"name":"{}","namespace":"shop"}},"spec":7}}"#, "a".repeat(5000));
        let text = format!(r#"{{"kind":"PodList","items":[{}]}}"#, vec![item; 50].join(","));
        let page = read(&kind("Pod"), "v1", text.as_bytes()).unwrap();
        assert_eq!((page.read, page.broken, page.defects.len()), (50, 50, SHOWN));
        assert!(page.defects.iter().all(|defect| defect.chars().count() <= TOLD + 1), "{:?}", page.defects);
    }

    #[test]
    fn the_values_of_a_secret_are_neither_kept_nor_repeated() {
        let page = r#"{"kind":"SecretList","items":[{"metadata":{"name":"a","namespace":"shop"},"data":{"key":"SECRET"}},
            {"metadata":{"name":"b","namespace":"shop"},"data":"SECRET"}]}"#;
        let page = read(&kinds::SECRETS, "v1", page.as_bytes()).unwrap();
        assert_eq!((page.objects.len(), page.read), (2, 2));
        assert!(!format!("{page:?}").contains("SECRET"));
    }

    #[test]
    fn what_is_no_page_says_why() {
        for (text, why) in [
            ("", "it ends too early"),
            ("<html>", "it is no JSON at byte 0"),
            (r#"{"kind":"PodList","items":[{"metadata":{"#, "it is no JSON at byte 26"),
            (r#"{"kind":"PodList","metadata":{}}"#, "it has no items"),
            (r#"{"kind":"Status","items":[]}"#, "it is no PodList"),
            (r#"{"kind":"PodList","items":{}}"#, "it is no JSON at byte 0"),
            (r#"{"kind":"PodList","items":[]} more"#, "it is no JSON at byte 30"),
        ] {
            assert_eq!(read(&kind("Pod"), "v1", text.as_bytes()).unwrap_err(), why, "{text}");
        }
        let empty = r#"{"kind":"PodList","items":null}"#;
        assert_eq!(read(&kind("Pod"), "v1", empty.as_bytes()).unwrap().read, 0);
    }
}
