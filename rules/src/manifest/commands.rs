//! The commands of a container and of its probes and hooks: where they name a token of the webhook's.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{Fault, Json};
use crate::model::{TokenPath, Value};

/// What the command and the arguments of a container say.
#[derive(Default)]
pub(super) struct Said {
    /// Whether they name Azure as the provider.
    pub(super) azure: bool,
    /// What they name as the audience.
    pub(super) audience: Option<Value>,
}

/// Where a list names a token, and what else it says.
pub(super) fn texts(
    list: &'static str,
    paths: &mut Vec<TokenPath>,
    said: &mut Said,
    json: &mut dyn Json<'_>,
) -> Result<(), Fault> {
    const FLAG: &str = "--provider";
    let (mut index, mut is_provider, mut is_audience) = (0, false, false);
    json.elements(&mut |json| {
        let text = json.loose()?.text;
        let provider =
            if is_provider { Some(&*text) } else { text.strip_prefix(FLAG).and_then(|it| it.strip_prefix('=')) };
        said.azure |= provider.is_some_and(|it| ["azure", "azure-dns", "azure-private-dns"].contains(&it));
        is_provider = text == FLAG;
        if is_audience {
            said.audience = Some(value(&text));
            is_audience = false;
        } else {
            match audience(&text) {
                Some("") => is_audience = true,
                Some(after) => said.audience = Some(value(after.strip_prefix('=').unwrap_or_default())),
                // In the line of a shell it may be quoted, or put together.
                None if text.contains(" --audience") => said.audience = Some(Value::Elsewhere),
                None => {}
            }
        }
        paths.extend(token_path(&text).map(|path| TokenPath { field: alloc::format!("{list}[{index}]"), path }));
        index += 1;
        Ok(())
    })
}

/// What comes after the flag `--audience` in the same text, with its equals sign. Go takes one hyphen for two.
fn audience(text: &str) -> Option<&str> {
    let name = text.strip_prefix('-')?;
    let after = name.strip_prefix('-').unwrap_or(name).strip_prefix("audience")?;
    (after.is_empty() || after.starts_with('=')).then_some(after)
}

/// The value of a flag. One in which Kubernetes puts a variable is not known.
fn value(text: &str) -> Value {
    if text.contains("$(") { Value::Elsewhere } else { Value::Literal(Some(text.into())) }
}

/// Where the command of a probe or a hook names a token.
pub(super) fn exec(list: &'static str, paths: &mut Vec<TokenPath>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.object(&mut [("exec", &mut |json| {
        json.object(&mut [("command", &mut |json| texts(list, paths, &mut Said::default(), json))])
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
