resource "azurerm_kubernetes_cluster" "this" {
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
}
