module example.com/shop/cart

go 1.22

require (
	github.com/Azure/azure-sdk-for-go/sdk/azcore v1.6.0
	github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.2.2 // indirect
)

require golang.org/x/net v0.30.0 // indirect

replace golang.org/x/net => ../net
