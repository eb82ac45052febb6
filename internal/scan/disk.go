package scan

import (
	"io"
	"os"
)

// disk is a file, read up to the size that it had.
type disk struct {
	file     *os.File
	at, size int64
	sparse   bool
	data     int64 // where the data that begins before at ends
}

// Size returns how long the file was when it was opened.
func (d *disk) Size() int64 { return d.size }

// Close closes the file.
func (d *disk) Close() error { return d.file.Close() }

// ReadAt reads at any place, and leaves Read where it is.
func (d *disk) ReadAt(p []byte, at int64) (int, error) { return d.file.ReadAt(p, at) }

// Read reads on. Files without a size, as in /proc, have an end.
func (d *disk) Read(p []byte) (int, error) {
	if d.size > 0 {
		if d.at >= d.size {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), d.size-d.at)]
	}
	n, err := d.file.Read(p)
	d.at += int64(n)
	return n, err
}

// holeOf goes to the next data of a sparse file, and returns how far that is.
func holeOf(r io.Reader) int64 {
	d, ok := r.(*disk)
	if !ok || !d.sparse || d.at < d.data {
		return 0
	}
	from, to := nextData(d.file, d.at, d.size)
	from = min(max(from, d.at), d.size)
	if _, err := d.file.Seek(from, io.SeekStart); err != nil {
		return 0 // reading tells why
	}
	hole := from - d.at
	d.at, d.data = from, to
	return hole
}
