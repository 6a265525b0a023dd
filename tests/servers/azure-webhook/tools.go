//go:build tools

package webhook

import _ "github.com/Azure/azure-workload-identity/cmd/webhook"
