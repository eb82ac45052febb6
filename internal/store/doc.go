// Package store is the contract of the places where a credential's token is kept for its
// consumers. Each kind of store is a folder that describes it (kind.go) and keeps the
// contract (store.go), which storetest states as laws and runs over every one.
//
// All know the same three stages, AWSPENDING, AWSCURRENT and AWSPREVIOUS. A store holds
// opaque values; what is in them is a shape of package credential. bound.go gives values
// to the registry that they belong to and to no other.
package store
