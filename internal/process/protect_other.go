//go:build !unix

package process

func protect() {}
