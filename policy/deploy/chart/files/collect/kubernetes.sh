#!/bin/sh
# Writes what wiguard reads of this cluster to the folder $1: the kinds $2, all namespaces, and the issuer.
set -eu
mkdir -p "$1"
kubectl get --raw /.well-known/openid-configuration > "$1/openid-configuration.json"
for kind in $(echo "$2" | tr ',' ' '); do
  kubectl get "$kind" --all-namespaces --chunk-size=500 --output=json > "$1/$kind.json"
done
