//! The objects as files and on standard output, in YAML that holds JSON.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::document::Map;

/// Says of an object that it is ours.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "wiguard");
/// Says of an object that it belongs to the trust inventory.
pub(super) const COMPONENT: (&str, &str) = ("app.kubernetes.io/component", "trust");

/// All of them as one stream. A reader that goes away is no error.
pub(super) fn stdout(maps: &[Map], namespace: &str) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = maps.iter().try_for_each(|map| write(map, namespace, &mut out)).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Each as a file of its own, named after it. A file is put in its place whole, so that whoever
/// watches the folder never reads a part of one.
pub(super) fn folder(maps: &[Map], namespace: &str, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for map in maps {
        let mut text = Vec::new();
        write(map, namespace, &mut text)?;
        let unfinished = folder.join(format!(".{}.unfinished", map.name));
        std::fs::write(&unfinished, text)?;
        std::fs::rename(&unfinished, folder.join(format!("{}.yaml", map.name)))?;
    }
    Ok(())
}

fn write(map: &Map, namespace: &str, out: &mut dyn Write) -> io::Result<()> {
    let ((component, trust), (managed_by, wiguard)) = (COMPONENT, MANAGED_BY);
    let Map { name, key, json } = map;
    write!(
        out,
        "---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    {component}: {trust}
    {managed_by}: {wiguard}
data:
  {key}: |-
    {json}
"
    )
}
