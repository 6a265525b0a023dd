//! The tokens for Azure that pods bring by themselves, as the audit tells them from those for other systems: by
//! their audience, and by where containers look. [`Workload::projects_azure_token`] is admission's coarser answer,
//! which knows no mounts.

use alloc::format;
use alloc::vec::Vec;

use super::{Audience, Container, DEFAULT_AUDIENCE, Token, Value, Workload, is_placeholder, may_lie_in};
use crate::webhook::TOKEN_FILE;

/// Where the file lies that a container's own variable names.
enum Lies<'a> {
    /// No variable of its own says.
    Unsaid,
    /// That cannot be told.
    Open,
    /// In a mount of this volume.
    In(&'a str),
    /// In no mount.
    Nowhere,
}

// === impl Container ===

impl Container {
    /// Where the file of its token lies, as its own variable says: in the innermost mount that may hold it.
    fn token_lies(&self) -> Lies<'_> {
        let Some(variable) = self.variable(TOKEN_FILE) else { return Lies::Unsaid };
        let Value::Literal(Some(file)) = &variable.value else { return Lies::Open };
        if !is_whole(file) {
            return Lies::Open;
        }
        let holding = self.mounts.iter().filter(|mount| mount.may_hold(file));
        let innermost = holding.reduce(|outer, mount| if may_lie_in(&mount.path, &outer.path) { mount } else { outer });
        innermost.map_or(Lies::Nowhere, |mount| Lies::In(&mount.volume))
    }
}

// === impl Workload ===

impl Workload {
    /// Whether the pods bring their own token for Azure instead of the webhook's: a projection with an Azure exchange
    /// audience, or one whose file a container looks for. What cannot be told of a file is taken to be theirs.
    pub fn brings_azure_token(&self) -> bool {
        let looks_for_own = |container: &Container| match container.token_lies() {
            Lies::Open => self.own_tokens().next().is_some(),
            Lies::In(volume) => self.own_tokens().any(|token| token.volume == volume),
            Lies::Unsaid | Lies::Nowhere => false,
        };
        self.own_audiences().any(is_of_exchange) || self.containers().any(|(container, _)| looks_for_own(container))
    }

    /// The audiences, of which any will do, of the tokens that containers present: those that the webhook asks
    /// for, `given`, unless a container looks for a token of its own; empty if none is said.
    pub fn looked_for(&self, given: &[Audience]) -> Vec<Audience> {
        let mut audiences = Vec::new();
        let exchanged = || self.own_audiences().filter(|audience| is_of_exchange(audience));
        for (container, _) in self.injected_containers().filter(|(container, _)| self.presents_in(container)) {
            match self.looked_for_in(container) {
                // One that is for Azure is meant, though another be named.
                Some(own) if self.opts_in() || exchanged().next().is_none() => audiences.extend(own),
                _ => audiences.extend(given.iter().chain(exchanged())),
            }
        }
        if audiences.is_empty() {
            audiences.extend(given.iter().chain(exchanged()));
        }
        let mut each = Vec::new();
        for audience in audiences {
            if !each.contains(audience) {
                each.push(audience.clone());
            }
        }
        each
    }

    /// The audiences of the pods' own tokens in the volume in which a container looks for its own, if it does.
    fn looked_for_in<'a>(&'a self, container: &'a Container) -> Option<Vec<&'a Audience>> {
        let Lies::In(volume) = container.token_lies() else { return None };
        let mut tokens: Vec<&Token> = self.own_tokens().filter(|token| token.volume == volume).collect();
        if tokens.iter().any(|token| container.finds(token)) {
            tokens.retain(|token| container.finds(token));
        }
        (!tokens.is_empty()).then(|| tokens.into_iter().map(|token| &token.audience).collect())
    }
}

impl Container {
    /// Whether its variable may name the file of a token that it mounts. One file alone may be mounted, under its own
    /// path.
    pub fn finds(&self, token: &Token) -> bool {
        let Some(named) = self.literal(TOKEN_FILE) else { return false };
        let is_it = |path: &str| may_lie_in(named, path) && may_lie_in(path, named);
        let mut mounts = self.mounts.iter().filter(|mount| mount.volume == token.volume);
        mounts.any(|mount| is_it(&mount.path) || is_it(&format!("{}/{}", mount.path, token.path)))
    }
}

/// Whether a path says by itself which file it is: others hang on the folder in which the program starts, on what
/// another variable says, or are Windows'.
pub fn is_whole(file: &str) -> bool {
    file.starts_with('/') && !file.split('/').any(|step| step == "..") && !file.contains("$(") && !is_placeholder(file)
}

fn is_of_exchange(audience: &Audience) -> bool {
    audience.as_str().starts_with(DEFAULT_AUDIENCE)
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec;

    use super::*;
    use crate::sample::{AUDIENCE, OPTS_IN, pod};

    /// A pod whose container has this variable and these mounts, with a token for each volume: name and audience.
    fn of(labels: &str, variable: &str, mounts: &[(&str, &str)], tokens: &[(&str, &str)]) -> Workload {
        let mounts: Vec<String> =
            mounts.iter().map(|(name, path)| format!(r#"{{"name":"{name}","mountPath":"{path}"}}"#)).collect();
        let volumes: Vec<String> = tokens
            .iter()
            .map(|(name, audience)| {
                format!(
                    r#"{{"name":"{name}","projected":{{"sources":[{{"serviceAccountToken":{{"path":"token","audience":"{audience}"}}}}]}}}}"#
                )
            })
            .collect();
        let (mounts, volumes) = (mounts.join(","), volumes.join(","));
        pod(
            labels,
            &format!(
                r#","containers":[{{"name":"app","env":[{variable}],"volumeMounts":[{mounts}]}}],"volumes":[{volumes}]"#
            ),
        )
    }

    fn file(path: &str) -> String {
        format!(r#"{{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"{path}"}}"#)
    }

    const VAULT: &[(&str, &str)] = &[("v", "vault")];

    #[test]
    fn a_token_is_for_azure_by_its_audience_or_because_it_is_looked_for() {
        let elsewhere =
            r#"{"name":"AZURE_FEDERATED_TOKEN_FILE","valueFrom":{"configMapKeyRef":{"name":"c","key":"k"}}}"#;
        let brings = |variable: &str, mounts: &[(&str, &str)]| of("", variable, mounts, VAULT).brings_azure_token();
        let at_v = [("v", "/v")];
        assert!(brings(&file("/v/token"), &at_v));
        assert!(brings(&file("/run/v/token"), &[("v", "/var/run/v")]));
        assert!(!brings("", &at_v), "nobody looks for it");
        assert!(!brings(&file("/w/token"), &at_v), "where none is mounted");
        assert!(!brings(&file("/v/token"), &[("w", "/v")]), "of another volume");
        assert!(!brings(&file("/v/w/token"), &[("v", "/v"), ("w", "/v/w")]), "of a mount within");
        assert!(!brings(&file("/v/w/token"), &[("w", "/v/w"), ("v", "/v")]), "in whichever order");
        for open in
            [elsewhere, &file("$(DIR)/token"), &file("token"), &file("/v/../token"), &file("/${DIR}/token"), &file("")]
        {
            assert!(brings(open, &[]), "{open}");
            assert!(!of("", open, &[], &[]).brings_azure_token(), "{open}");
        }
        assert!(of("", "", &[], &[("v", "api://AzureADTokenExchangeChina")]).brings_azure_token());
    }

    #[test]
    fn a_container_presents_the_token_that_it_looks_for() {
        let presents = |labels: &str, path: &str, tokens: &[(&str, &str)]| {
            let mounts: Vec<(&str, &str)> =
                tokens.iter().map(|(name, _)| (*name, if *name == "b" { "/b" } else { "/a" })).collect();
            let workload = of(labels, &file(path), &mounts, tokens);
            let audiences = workload.looked_for(&["given".into()]);
            audiences.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let two = [("a", "vault"), ("b", "api://AzureADTokenExchangeChina")];
        assert_eq!(presents(OPTS_IN, "/a/token", &two), ["vault"]);
        assert_eq!(presents(OPTS_IN, "/b/token", &two), ["api://AzureADTokenExchangeChina"]);
        assert_eq!(presents(OPTS_IN, "/c/token", &two), ["given", "api://AzureADTokenExchangeChina"]);
        assert_eq!(presents("", "/a/token", &[("a", "vault")]), ["vault"]);
        assert_eq!(presents("", "/a/token", &two), ["given", "api://AzureADTokenExchangeChina"], "which is meant");
        assert_eq!(presents("", "/a/none", &[("a", "vault")]), ["vault"], "whatever is in the volume");
        assert_eq!(presents(OPTS_IN, "/c/token", &[]), ["given"]);
        assert_eq!(pod(OPTS_IN, "").looked_for(&["given".into()]), ["given".into()]);
    }

    #[test]
    fn of_two_tokens_in_one_volume_the_file_tells() {
        let spec = r#","containers":[{"name":"app","env":[{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"/a/two"}],"volumeMounts":[{"name":"a","mountPath":"/a/"}]}],"volumes":[{"name":"a","projected":{"sources":[{"serviceAccountToken":{"path":"one","audience":"vault"}},{"serviceAccountToken":{"path":"two","audience":"orders"}}]}}]"#;
        assert_eq!(pod("", spec).looked_for(&[]), vec![Audience::from("orders")]);
        let alone = spec.replace("/a/\"", "/a/two\"");
        assert_eq!(pod("", &alone).looked_for(&[]).len(), 2, "one file alone, of which the path does not tell which");
        assert_eq!(AUDIENCE, DEFAULT_AUDIENCE);
    }
}
