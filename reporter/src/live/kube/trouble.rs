//! Trouble: why something of a cluster could not be read. It is told in our own words: what a server
//! or a plugin says may repeat a token.

use std::error::Error;

use super::kinds::Kind;

/// The plugin, where its name is not known.
pub(super) const PLUGIN: &str = "the credential plugin of the context";

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is time to stop.
    Stopped,
    /// There was no connection, or it broke: what the system says.
    Unreachable(String),
    /// The credentials could not be had: what went wrong.
    NoCredentials(String),
    /// 401.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// 404: the API server says that there is no object of this name.
    Absent,
    /// 404: the API server says that it serves no such path.
    NotServed,
    /// 404 in the middle of a list.
    Withdrawn,
    /// 410, and the token to go on with, if there is one.
    Expired(Option<String>),
    /// 429, again and again.
    Throttled,
    /// A status that says that the server fails, again and again.
    Failing(u16),
    /// Any other status.
    Refused(u16),
    /// No whole answer within so many seconds.
    Slow(u64),
    /// An answer larger than so many bytes.
    TooLarge(usize),
    /// An answer that is not what was asked for: what is wrong with it.
    Strange(String),
    /// The objects of a declared kind are in no namespace.
    Nowhere,
}

impl Trouble {
    /// Whether nothing of the cluster can be read.
    pub(super) const fn is_of_cluster(&self) -> bool {
        matches!(self, Self::Stopped | Self::Unreachable(_) | Self::NoCredentials(_) | Self::Unauthenticated)
    }

    /// Whether smaller pages could help.
    pub(super) const fn is_of_size(&self) -> bool {
        matches!(self, Self::Slow(_) | Self::TooLarge(_))
    }

    /// Why objects of a kind were not read, and what to do about it.
    pub(super) fn of(&self, kind: &Kind, namespace: Option<&str>) -> String {
        let name = kind.full_name();
        match self {
            Self::Forbidden => {
                let (place, hint) = match namespace {
                    Some(namespace) => (format!("in namespace {namespace}"), ""),
                    None if kind.namespaced => ("in all namespaces".into(), ", or name one namespace with -n"),
                    None => ("in the cluster".into(), ""),
                };
                format!("may not list {name} {place}; have the verb `list` granted{hint}")
            }
            Self::NotServed => format!("the API server does not serve {name}; is it one of Kubernetes?"),
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped before it was read"),
            Self::Unreachable(why) => {
                let hint = if why.contains("certificate") {
                    "check the certificate authority that the context names"
                } else {
                    "check that the cluster runs and that the context's address is right"
                };
                write!(f, "could not talk to the API server: {why}; {hint}")
            }
            Self::NoCredentials(why) => write!(f, "could not get credentials: {why}"),
            Self::Unauthenticated => {
                f.write_str("the API server does not accept the credentials (401); sign in again, or renew the token of this context")
            }
            Self::Forbidden => f.write_str("the API server forbids it (403)"),
            Self::Absent | Self::NotServed => f.write_str("the API server does not know it (404)"),
            Self::Withdrawn => f.write_str("was withdrawn while it was read (404); read again"),
            Self::Expired(_) => f.write_str("expired while it was read, again and again (410); read at a quieter time"),
            Self::Throttled => {
                f.write_str("the API server asks to wait, again and again (429); read with a lower --kube-qps, or later")
            }
            Self::Failing(status) => write!(f, "the API server failed, again and again ({status}); see its log, or read later"),
            Self::Refused(status) => write!(f, "the API server refused ({status}); see its log"),
            Self::Slow(seconds) => write!(f, "no whole answer within {seconds} s; allow more with --request-timeout"),
            Self::TooLarge(bytes) => write!(f, "an answer is larger than {} MiB", bytes >> 20),
            Self::Nowhere => f.write_str(
                "its objects are in no namespace, so that nobody can say where their pods run; take back its declaration",
            ),
            Self::Strange(why) => {
                write!(f, "the answer is not what was asked for: {why}; is there a proxy in between?")
            }
        }
    }
}

/// What a failed request is told as: words of the system and of TLS alone.
pub(super) fn transport(error: &kube::Error) -> Trouble {
    let mut words = String::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(auth) = error.downcast_ref::<kube::client::AuthError>() {
            return credentials(auth);
        }
        if error.is::<std::io::Error>() || error.is::<rustls::Error>() || error.is::<hyper::Error>() {
            words = error.to_string();
        }
        next = error.source();
    }
    match error {
        kube::Error::Auth(auth) => credentials(auth),
        kube::Error::ProxyProtocolDisabled { .. } | kube::Error::ProxyProtocolUnsupported { .. } => {
            Trouble::Unreachable("its context names a proxy, and proxies are not supported".into())
        }
        _ if words.is_empty() => Trouble::Unreachable("the connection failed".into()),
        _ => Trouble::Unreachable(words),
    }
}

fn credentials(error: &kube::client::AuthError) -> Trouble {
    use kube::client::AuthError as Auth;
    Trouble::NoCredentials(match error {
        Auth::AuthExecStart(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("{PLUGIN} is not installed")
        }
        Auth::AuthExecStart(error) => format!("{PLUGIN} could not be started: {error}"),
        // Its command line may hold secrets, and so may what it printed.
        Auth::AuthExecRun { out, .. } => format!("{PLUGIN} failed ({}); run it yourself to see why", out.status),
        Auth::ReadTokenFile(error, path) => format!("could not read the token file `{}`: {error}", path.display()),
        Auth::MissingCommand => "the kubeconfig names no command for its credential plugin".into(),
        Auth::InvalidBasicAuth(_) | Auth::InvalidBearerToken(_) => {
            "the token or password of the context cannot be sent in a header; correct the kubeconfig".into()
        }
        _ => format!("what {PLUGIN} printed could not be used; sign in again"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::live::kube::kinds;

    #[test]
    fn what_is_forbidden_is_named_with_its_group_and_scope() {
        let of = |kind: &str, namespace| Trouble::Forbidden.of(&kinds::named(kind).unwrap(), namespace);
        assert_eq!(
            of("Deployment", None),
            "may not list deployments.apps in all namespaces; have the verb `list` granted, or name one namespace with -n"
        );
        assert_eq!(of("Pod", Some("shop")), "may not list pods in namespace shop; have the verb `list` granted");
    }

    #[test]
    fn what_a_plugin_printed_is_not_repeated() {
        let out = std::process::Command::new("sh").args(["-c", "echo SECRET; exit 3"]).output().unwrap();
        let error = kube::Error::Auth(kube::client::AuthError::AuthExecRun {
            cmd: "TOKEN=SECRET kubelogin".into(),
            out: out.into(),
        });
        let told = transport(&error).to_string();
        assert!(told.contains("(exit status: 3)") && !told.contains("SECRET"), "{told}");
    }
}
