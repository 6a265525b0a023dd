//! The commands of a container and of its probes and hooks: where they name a token of the webhook's.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{Fault, Json};
use crate::model::TokenPath;

/// Where a list names a token; whether it names Azure as the provider.
pub(super) fn texts(list: &'static str, paths: &mut Vec<TokenPath>, json: &mut dyn Json<'_>) -> Result<bool, Fault> {
    const FLAG: &str = "--provider";
    let (mut index, mut azure, mut is_named) = (0, false, false);
    json.elements(&mut |json| {
        let text = json.loose()?.text;
        let provider =
            if is_named { Some(&*text) } else { text.strip_prefix(FLAG).and_then(|it| it.strip_prefix('=')) };
        azure |= provider.is_some_and(|it| ["azure", "azure-dns", "azure-private-dns"].contains(&it));
        is_named = text == FLAG;
        paths.extend(token_path(&text).map(|path| TokenPath { field: alloc::format!("{list}[{index}]"), path }));
        index += 1;
        Ok(())
    })?;
    Ok(azure)
}

/// Where the command of a probe or a hook names a token.
pub(super) fn exec(list: &'static str, paths: &mut Vec<TokenPath>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.object(&mut [("exec", &mut |json| {
        json.object(&mut [("command", &mut |json| texts(list, paths, json).map(drop))])
    })])
}

/// Where the commands of a container's hooks name a token.
pub(super) fn hooks(paths: &mut Vec<TokenPath>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut started, mut stopped) = (Vec::new(), Vec::new());
    json.object(&mut [
        ("postStart", &mut |json| exec("lifecycle.postStart.exec.command", &mut started, json)),
        ("preStop", &mut |json| exec("lifecycle.preStop.exec.command", &mut stopped, json)),
    ])?;
    paths.extend(started.into_iter().chain(stopped));
    Ok(())
}

/// The first path in a text that lies in a folder of the webhook's tokens: up to v1.5.1
/// `/var/run/secrets/azure/tokens`, from v1.6.0 on `/var/run/secrets/azure/wi`
/// (azure-workload-identity, `pkg/webhook/consts.go`).
pub(super) fn token_path(text: &str) -> Option<String> {
    const ROOT: &str = "/var/run/secrets/azure/";
    let (_, behind) = text.split_once(ROOT)?;
    let end = behind.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_./".contains(letter));
    let path = end.map_or(behind, |end| behind.get(..end).unwrap_or_default());
    let folder = path.split('/').next().unwrap_or_default();
    ["tokens", "wi"].contains(&folder).then(|| alloc::format!("{ROOT}{path}"))
}
