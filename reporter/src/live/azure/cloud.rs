//! Clouds: where Azure Resource Manager, Microsoft Graph and Entra answer, and what tokens for them
//! are called.

use std::path::Path;
use std::str::FromStr;

use reqwest::{Method, Request, Url};
use serde_json::Value;

use crate::live::http::{self, Http};

/// The version of ARM's description of its own cloud, which needs no token.
const METADATA: &str = "metadata/endpoints?api-version=2022-09-01";

/// Where things are in one cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cloud {
    /// Azure Resource Manager.
    pub(super) arm: Url,
    /// Microsoft Graph.
    pub(super) graph: Url,
    /// Entra, which issues tokens.
    pub(super) authority: Url,
    /// What tokens for Azure Resource Manager are for.
    pub(super) arm_audience: String,
    /// What tokens for Microsoft Graph are for.
    pub(super) graph_audience: String,
}

/// A cloud as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// One of those that Microsoft runs: its row in [`KNOWN`].
    Known(usize),
    /// One that describes itself at an address.
    At(Url),
    /// One whose description was saved.
    File(String),
}

/// Name, Azure Resource Manager, Microsoft Graph, Entra: learn.microsoft.com/graph/deployments and
/// learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure.
const KNOWN: [(&str, &str, &str, &str); 3] = [
    ("public", "https://management.azure.com", "https://graph.microsoft.com", "https://login.microsoftonline.com"),
    (
        "usgovernment",
        "https://management.usgovcloudapi.net",
        "https://graph.microsoft.us",
        "https://login.microsoftonline.us",
    ),
    (
        "china",
        "https://management.chinacloudapi.cn",
        "https://microsoftgraph.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
    ),
];

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(index) = KNOWN.iter().position(|(name, ..)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self::Known(index));
        }
        if text.contains("://") {
            return address(text).map(Self::At);
        }
        if Path::new(text).is_file() {
            return Ok(Self::File(text.into()));
        }
        Err("expected public, usgovernment, china, or the address or file of a cloud's /metadata/endpoints".into())
    }
}

/// Reads an address to which tokens may be shown.
///
/// # Errors
/// If it is none, or is neither of TLS nor of this machine.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("not an address: {error}"))?;
    if !http::is_safe(&url) {
        return Err("tokens are sent there, so it must begin with https://; http:// is for this machine alone".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user or a password".into());
    }
    Ok(url)
}

impl Cloud {
    fn known(index: usize) -> Option<Self> {
        let (_, arm, graph, authority) = KNOWN.get(index)?;
        let url = |text: &str| text.parse().ok();
        Some(Self {
            arm: url(arm)?,
            graph: url(graph)?,
            authority: url(authority)?,
            arm_audience: (*arm).into(),
            graph_audience: (*graph).into(),
        })
    }

    /// The cloud of this authority, if Microsoft runs it: what the workload identity webhook sets
    /// in pods tells which cloud they are in.
    fn of_authority(authority: &Url) -> Option<Self> {
        let known = (0..KNOWN.len()).filter_map(Self::known);
        known.into_iter().find(|cloud| cloud.authority.host() == authority.host())
    }

    /// The cloud that is named: of `named`, else of `AZURE_AUTHORITY_HOST`, else the public one.
    ///
    /// # Errors
    /// If it describes itself and that cannot be read.
    pub(super) async fn find(named: Option<&Named>, authority: Option<&Url>, http: &Http) -> Result<Self, String> {
        let public = || Self::known(0).ok_or_else(|| "there is no public cloud".to_string());
        match named {
            None => {
                let mut cloud = authority.and_then(Self::of_authority).map_or_else(public, Ok)?;
                if let Some(authority) = authority {
                    cloud.authority = authority.clone();
                }
                Ok(cloud)
            }
            Some(Named::Known(index)) => Self::known(*index).map_or_else(public, Ok),
            Some(Named::File(path)) => {
                let wrong = |reason: String| format!("could not use the description of a cloud `{path}`: {reason}");
                let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
                Self::described(&text, None).map_err(wrong)
            }
            Some(Named::At(url)) => {
                let wrong = |reason: String| format!("could not read the description of the cloud at {url}: {reason}");
                let root = url.path() == "/" && url.query().is_none();
                let at = if root { url.join(METADATA).map_err(|error| wrong(error.to_string()))? } else { url.clone() };
                let reply = http.send(Request::new(Method::GET, at)).await.map_err(wrong)?;
                if reply.status != 200 {
                    return Err(wrong(format!("it answered {}", reply.status)));
                }
                Self::described(&reply.body, root.then_some(url)).map_err(wrong)
            }
        }
    }

    /// Reads what a cloud says of itself: an object, or a list of which the one at `arm` is meant,
    /// else the only one.
    fn described(text: &[u8], arm: Option<&Url>) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let resource_manager = |it: &Value| it.get("resourceManager").and_then(Value::as_str)?.parse::<Url>().ok();
        let one = match &value {
            Value::Array(all) => match (all.as_slice(), arm) {
                ([one], _) => one,
                (all, Some(arm)) => all
                    .iter()
                    .find(|it| resource_manager(it).is_some_and(|url| http::is_same_server(arm, &url)))
                    .ok_or("it describes several clouds, none of them at this address")?,
                _ => return Err("it describes several clouds; keep one of them".into()),
            },
            one => one,
        };
        let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let url = |pointer: &str| -> Result<Url, String> {
            let text = text(pointer).ok_or_else(|| format!("it has no `{pointer}`"))?;
            address(text).map_err(|reason| format!("its `{pointer}`, `{text}`, cannot be used: {reason}"))
        };
        let arm = match (text("/resourceManager"), arm) {
            (None, Some(arm)) => arm.clone(),
            _ => url("/resourceManager")?,
        };
        let graph = url("/microsoftGraphResourceId")?;
        let audience = |url: &Url| url.as_str().trim_end_matches('/').to_string();
        let arm_audience = text("/authentication/audiences/0").map(|it| it.trim_end_matches('/').to_string());
        Ok(Self {
            authority: url("/authentication/loginEndpoint")?,
            arm_audience: arm_audience.unwrap_or_else(|| audience(&arm)),
            graph_audience: audience(&graph),
            arm,
            graph,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"name":"Contoso","resourceManager":"https://arm.contoso.example/",
        "microsoftGraphResourceId":"https://graph.contoso.example/",
        "authentication":{"loginEndpoint":"https://login.contoso.example","audiences":["https://arm.contoso.example/aud/"]}}"#;

    #[test]
    fn a_cloud_describes_itself() {
        let cloud = Cloud::described(ONE.as_bytes(), None).unwrap();
        assert_eq!(cloud.arm.as_str(), "https://arm.contoso.example/");
        assert_eq!(cloud.arm_audience, "https://arm.contoso.example/aud");
        assert_eq!(cloud.graph_audience, "https://graph.contoso.example");
        let listed = format!("[{ONE}]");
        assert_eq!(Cloud::described(listed.as_bytes(), None).unwrap(), cloud);
        let two = format!("[{},{ONE}]", ONE.replace("contoso", "fabrikam"));
        assert!(Cloud::described(two.as_bytes(), None).unwrap_err().contains("several"));
        let arm = "https://arm.contoso.example".parse().unwrap();
        assert_eq!(Cloud::described(two.as_bytes(), Some(&arm)).unwrap(), cloud);
    }

    #[test]
    fn a_cloud_without_tls_is_refused() {
        let without = ONE.replace("https://login", "http://login");
        let error = Cloud::described(without.as_bytes(), None).unwrap_err();
        assert!(error.contains("loginEndpoint") && error.contains("https://"), "{error}");
    }

    #[test]
    fn the_pods_authority_tells_its_cloud() {
        let authority = "https://login.microsoftonline.us/".parse().unwrap();
        assert_eq!(Cloud::of_authority(&authority).unwrap().graph.host_str(), Some("graph.microsoft.us"));
        let other = "https://login.example".parse().unwrap();
        assert_eq!(Cloud::of_authority(&other), None);
    }
}
