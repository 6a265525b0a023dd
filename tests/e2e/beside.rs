//! What runs beside the shared cluster, started once, by whichever test needs it first.

use tokio::sync::OnceCell;
use wiguard_tests::cluster::Cluster;
use wiguard_tests::cluster::azure::AzureWebhook;

/// The label of namespaces whose pods the mutating webhook of Azure sees.
pub(crate) const INJECTED: (&str, &str) = ("injected", "yes");

/// The version of it that tests run by default.
pub(crate) const AZURE_WEBHOOK: &str = "1.6.0";

/// The mutating webhook of Azure.
pub(crate) async fn azure_webhook(cluster: &Cluster) -> &'static AzureWebhook {
    static WEBHOOK: OnceCell<AzureWebhook> = OnceCell::const_new();
    WEBHOOK.get_or_init(|| AzureWebhook::start(cluster, AZURE_WEBHOOK, INJECTED)).await
}
