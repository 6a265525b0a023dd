//! Kubernetes objects by namespace and name, in the JSON that the module gets to read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::read::{Limits, Place, Root, read_all};

/// Objects of one kind.
#[derive(Default)]
pub(super) struct Objects(HashMap<String, Object>);

/// One object.
pub(super) struct Object {
    json: Arc<[u8]>,
    /// When its content was collected, in unix seconds, if it says so.
    collected: Option<i64>,
}

impl Objects {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<[u8]>> {
        self.0.get(&key(namespace, name)).map(|object| Arc::clone(&object.json))
    }

    pub(super) fn put(&mut self, namespace: &str, name: &str, object: Object) {
        self.0.insert(key(namespace, name), object);
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        self.0.remove(&key(namespace, name));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the oldest was collected.
    pub(super) fn collected(&self) -> Option<i64> {
        self.0.values().filter_map(|object| object.collected).min()
    }

    /// Reads the trust inventory from a file or folder of ConfigMaps.
    ///
    /// # Errors
    /// Names the first thing that could not be read: half an inventory proves nothing.
    pub(super) fn read_trust(path: &Path) -> Result<Self, String> {
        let roots = [Root::Path(path.to_path_buf())];
        let read = read_all(
            &roots,
            || Box::new(std::io::empty()),
            &Limits::default(),
            |batch| {
                let pieces = batch.pieces().filter(|piece| !matches!(piece.place, Place::Envelope { .. }));
                let read =
                    |json| ConfigMap::read(json).map(|(namespace, name, object)| (key(&namespace, &name), object));
                let read = pieces.map(|piece| read(piece.json).map_err(|reason| (piece.line, reason)));
                read.collect::<Result<Vec<_>, _>>()
            },
        );
        if let Some(defect) = read.defects.first() {
            let line = defect.line.map_or_else(String::new, |line| format!(" line {line}"));
            return Err(format!("`{}`{line}: {}", defect.path, defect.message));
        }
        let mut objects = Self::default();
        for (source, result) in read.results {
            let found = result.map_err(|(line, reason)| format!("`{}` line {line}: {reason}", source.path))?;
            objects.0.extend(found);
        }
        if objects.0.is_empty() {
            return Err(format!("`{}` holds no ConfigMap; give what `wiguard policy trust -o` wrote", path.display()));
        }
        Ok(objects)
    }
}

impl Object {
    pub(super) fn new(json: Vec<u8>) -> Self {
        Self { json: json.into(), collected: None }
    }

    pub(super) fn json(&self) -> Arc<[u8]> {
        Arc::clone(&self.json)
    }

    /// A ConfigMap of the trust inventory, with the text of its members.
    pub(super) fn trust<'a>(json: Vec<u8>, data: impl IntoIterator<Item = &'a String>) -> Self {
        #[derive(Deserialize)]
        struct Age {
            collected: i64,
        }
        let age = |text: &String| serde_json::from_str::<Age>(text).ok().map(|age| age.collected);
        Self { json: json.into(), collected: data.into_iter().filter_map(age).min() }
    }
}

/// A ConfigMap in a file.
#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    data: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
}

impl ConfigMap {
    /// Namespace, name and object.
    fn read(json: &[u8]) -> Result<(String, String, Object), String> {
        let found: Self = serde_json::from_slice(json).map_err(|error| format!("is not a ConfigMap: {error}"))?;
        if found.kind != "ConfigMap" {
            return Err(format!(
                "holds a `{}`, not a ConfigMap; give what `wiguard policy trust -o` wrote",
                found.kind
            ));
        }
        let object = Object::trust(json.to_vec(), found.data.values());
        Ok((found.metadata.namespace, found.metadata.name, object))
    }
}

fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}
