#!/bin/sh
# Writes what wiguard reads of Azure to the folder $1, signed in by workload identity.
# SUBSCRIPTIONS: ids, by default all that the identity sees. APPLICATIONS=true: app registrations too.
set -eu
dir=$1
mkdir -p "$dir/credentials" "$dir/app-credentials"
az login --service-principal --username "$AZURE_CLIENT_ID" --tenant "$AZURE_TENANT_ID" \
  --federated-token "$(cat "$AZURE_FEDERATED_TOKEN_FILE")" --allow-no-subscriptions --output none
[ -n "${SUBSCRIPTIONS:-}" ] || SUBSCRIPTIONS=$(az account list --query '[].id' --output tsv)
for subscription in $SUBSCRIPTIONS; do
  az identity list --subscription "$subscription" --output json > "$dir/identities-$subscription.json"
  az identity list --subscription "$subscription" --query '[].[clientId,name,resourceGroup]' --output tsv > "$dir/.identities"
  # shellcheck disable=SC2016
  xargs -r -P 8 -L 1 sh -c '
    az identity federated-credential list --subscription "$1" --identity-name "$4" --resource-group "$5" \
      --output json > "$2/credentials/$3.json"' sh "$subscription" "$dir" < "$dir/.identities"
done
if [ "${APPLICATIONS:-false}" = true ]; then
  az ad app list --all --output json > "$dir/apps.json"
  az ad app list --all --query '[].appId' --output tsv > "$dir/.apps"
  # shellcheck disable=SC2016
  xargs -r -P 8 -L 1 sh -c '
    az ad app federated-credential list --id "$2" --output json > "$1/app-credentials/$2.json"' sh "$dir" < "$dir/.apps"
fi
