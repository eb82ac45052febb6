package present

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// BugText says where purser crashed, from the function that recovers. It hides the panic's
// value, which may be a secret.
func BugText(bug any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "purser: a bug in purser (%T); please report it. A second run finishes what this one started\n", bug)
	callers := make([]uintptr, 32)
	const runtimeFrames = 3 // Callers, this function, the deferred one
	frames := runtime.CallersFrames(callers[:runtime.Callers(runtimeFrames, callers)])
	for {
		frame, more := frames.Next()
		if strings.Contains(frame.Function, "purser") {
			fmt.Fprintf(&b, "  at %s, %s:%d\n", frame.Function, path.Base(frame.File), frame.Line)
		}
		if !more {
			return b.String()
		}
	}
}
