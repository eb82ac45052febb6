//go:build !unix

package process

func protect() Protection { return Protection{} }
