module wiguard/tests/servers/azure-webhook

go 1.26.0

require github.com/Azure/azure-workload-identity v1.3.0

replace monis.app/mlog => ./mlog
