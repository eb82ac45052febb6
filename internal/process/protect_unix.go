//go:build unix && !linux

package process

func protect() Protection {
	var p Protection
	noCore(&p)
	return p
}
