//! Remedies: what to give so that what is unknown becomes known. Apart because the rules say what
//! they lack, and only the reporter knows the commands that print it.

/// What to give for evidence of a kind, as [`Key::kind`](wiguard_rules::trust::Key::kind) names it; empty if the kind is not known.
pub fn remedy(kind: &str) -> &'static str {
    match kind {
        "issuer of the cluster" => {
            "give the output of `az aks show` or `az connectedk8s show`, or declare the issuer in the configuration"
        }
        "list of namespaces" => "give the output of `kubectl get namespaces -o json`",
        "list of ServiceAccounts" => "give the output of `kubectl get serviceaccounts -A -o json`",
        "keys of Secrets" => {
            "give the output of `kubectl get secrets -A -o json` without the values: only the names of keys are read"
        }
        "list of SecretProviderClasses" => "give the output of `kubectl get secretproviderclasses -A -o json`",
        "namespaces that no file states" => {
            "say `--default-namespace NAMESPACE`, or `--default-namespace NAMESPACE=PATH` of some of the files"
        }
        "PersistentVolumeClaims" => {
            "give the output of `kubectl get persistentvolumes -o json`; what other volumes are mounted with, look at yourself"
        }
        "stores of External Secrets" => "give the output of `kubectl get secretstores,clustersecretstores -A -o json`",
        "list of Deployments" => "give the output of `kubectl get deployments -A -o json`",
        "roles and their bindings" => {
            "give the output of `kubectl get roles,rolebindings,clusterroles,clusterrolebindings -A -o json`"
        }
        "list of MutatingWebhookConfigurations" => {
            "give the output of `kubectl get mutatingwebhookconfigurations -o json`"
        }
        "ConfigMap of the webhook" => {
            "give the output of `kubectl get configmap azure-wi-webhook-config -n NAMESPACE -o yaml`"
        }
        "identity bindings of a cluster" => "give the output of `az aks identity-binding list` of each cluster",
        "lists of managed identities and app registrations" => {
            "give the output of `az identity list` and `az ad app list --all`"
        }
        "federated credentials of an identity" => {
            "give the output of `az identity federated-credential list` or `az ad app federated-credential list` of each identity"
        }
        "identity of a credential" => "name the file after the identity, or say --identity NAME=PATH",
        "list of clusters" => {
            "give the output of `az aks show` or `az connectedk8s show` of each cluster, or declare them in the configuration"
        }
        "description of the cluster" => "give the output of `az aks show` or `az connectedk8s show`",
        "makers of what has ended" => {
            "give the output of `kubectl get jobs,cronjobs -A -o json`; of other makers, look what pods they make now"
        }
        "values set elsewhere" => "give whole lists from kubectl, or look where the value is set",
        _ => "",
    }
}

/// What verdicts need that no source gave, and what to do about it.
pub(crate) fn missing(kind: &str, verdicts: u32, example: &str) -> String {
    let verdicts = if verdicts == 1 { "1 verdict needs".into() } else { format!("{verdicts} verdicts need") };
    let example = if example.ends_with(kind) { String::new() } else { format!(", such as {example}") };
    let separator = if remedy(kind).is_empty() { "" } else { "; " };
    format!("{verdicts} what no source gave{example}{separator}{}", remedy(kind))
}

#[cfg(test)]
mod tests {
    use wiguard_rules::model::{ClusterIx, Issuer};
    use wiguard_rules::trust::Key;

    use super::{missing, remedy};

    #[test]
    fn every_kind_of_evidence_has_a_remedy() {
        let (cluster, text) = (ClusterIx(0), String::new);
        let keys = [
            Key::Issuer(cluster),
            Key::Namespace(cluster, text()),
            Key::ServiceAccount(cluster, text(), text()),
            Key::Secret(cluster, text(), text()),
            Key::SecretProviderClass(cluster, text(), text()),
            Key::Claim(cluster, text(), text()),
            Key::Place("Deployment", text()),
            Key::TokenRequesters(cluster),
            Key::Deployments(cluster),
            Key::Access(cluster),
            Key::Registrations(cluster),
            Key::WebhookSettings(cluster, text()),
            Key::IdentityBindings(cluster),
            Key::Identity(text()),
            Key::Credentials(text()),
            Key::Trusting(Issuer::from("")),
            Key::Parent(text()),
            Key::Clusters(Issuer::from("")),
            Key::Description(cluster),
            Key::Value(text()),
        ];
        for key in keys {
            assert!(!remedy(key.kind()).is_empty(), "{}", key.kind());
        }
    }

    #[test]
    fn counts_agree_with_their_verbs() {
        assert!(
            missing("list of namespaces", 1, "namespace shop")
                .starts_with("1 verdict needs what no source gave, such as namespace shop; give")
        );
        assert!(
            missing("stores of External Secrets", 2, "the stores of External Secrets")
                .starts_with("2 verdicts need what no source gave; give")
        );
    }
}
