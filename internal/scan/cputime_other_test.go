//go:build !unix

package scan_test

import "time"

var began = time.Now()

// cpuTime is the time on a machine that has nothing else to do.
func cpuTime() time.Duration { return time.Since(began) }
