// Package store keeps a credential's token for its consumers: in AWS Secrets
// Manager, or in an age-encrypted file, the default that needs nothing else.
//
// Both know the same three stages, AWSPENDING, AWSCURRENT and AWSPREVIOUS, and
// keep the same contract, which contract_test.go states as laws and runs over
// every store. A store holds opaque values; what is in them is a shape of
// package credential.
package store
