// Package store defines the contract of the places that keep a credential's token for its
// consumers (store.go). Each kind of store has a folder and describes itself (kind.go);
// storetest runs the contract's laws over every kind.
//
// All stores have the stages AWSPENDING, AWSCURRENT and AWSPREVIOUS. Their values are
// opaque; package credential knows the shapes. bound.go releases values only to the
// registry that they belong to.
package store
