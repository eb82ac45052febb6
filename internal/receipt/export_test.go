package receipt

// Seams for tests.
var (
	Backwards = backwards
	WriteLine = writeLine
)

// Appending is the file that WriteLine appends to.
type Appending = appending
