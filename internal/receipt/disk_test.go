package receipt_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"purser/internal/receipt"
)

// disk is a file with limited room, which may fail to truncate.
type disk struct {
	bytes.Buffer
	room       int
	appendOnly bool
	noSync     error
}

var errFull = errors.New("no space left on device")

func (d *disk) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(d.Bytes()).ReadAt(p, at)
}
func (d *disk) Sync() error { return d.noSync }

func (d *disk) Write(p []byte) (int, error) {
	n, _ := d.Buffer.Write(p[:min(len(p), d.room-d.Len())])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func (d *disk) Truncate(size int64) error {
	if d.appendOnly {
		return errors.New("operation not permitted")
	}
	d.Buffer.Truncate(int(size))
	return nil
}

func TestAFullDiskLeavesNoHalfLine(t *testing.T) {
	line := strings.Repeat("l", 100)
	for _, test := range []struct {
		name, before string
		d            disk
		want         string
		fails        bool
	}{
		{"room enough", "x\n", disk{room: 1000}, "x\n" + line + "\n", false},
		{"room enough, behind half a line", "x", disk{room: 1000}, "x\n" + line + "\n", false},
		{"none", "x\n", disk{room: 2}, "x\n", true},
		{"for half", "x\n", disk{room: 52}, "x\n", true},
		{"for all but the line's end", "x\n", disk{room: 102}, "x\n", true},
		{"for half, behind half a line", "x", disk{room: 51}, "x", true},
		{"it does not reach the disk", "x\n", disk{room: 1000, noSync: errFull}, "x\n", true},
		{"for half, and it cannot be cut", "x\n", disk{room: 52, appendOnly: true}, "x\n" + line[:50], true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &test.d
			d.WriteString(test.before)
			err := receipt.WriteLine(d, int64(len(test.before)), []byte(line))
			if test.fails != errors.Is(err, errFull) || d.String() != test.want {
				t.Errorf("%v, the file holds %q", err, d.String())
			}
		})
	}
}

// FuzzBackwards reads any file from its end and finds its lines.
func FuzzBackwards(f *testing.F) {
	f.Add([]byte("a\nb\n"), 1)
	f.Add([]byte("\n\nx"), 70_000)
	f.Add([]byte("xy\n"), 400_000)
	f.Add([]byte("x"), 1<<20+1)
	f.Fuzz(func(t *testing.T, part []byte, times int) {
		if times < 1 || times > 3<<20 || len(part) == 0 || times > 4<<20/len(part) {
			return
		}
		text := bytes.Repeat(part, times)
		text = append(text, part[:len(part)/2]...)
		var want [][]byte
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(line) <= receipt.LongestLine {
				want = append(want, line)
			}
		}
		slices.Reverse(want)
		var got [][]byte
		for line, err := range receipt.Backwards(bytes.NewReader(text), int64(len(text))) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, bytes.Clone(line))
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d lines, want %d", len(got), len(want))
		}
	})
}

func TestReadingBackwardsStopsEarly(t *testing.T) {
	text := bytes.Repeat([]byte("a line\n"), 1<<20)
	r := &counted{Reader: bytes.NewReader(text)}
	for line, err := range receipt.Backwards(r, int64(len(text))) {
		if len(line) > 0 || err != nil {
			t.Errorf("behind the last line's end: %q, %v", line, err)
		}
		break
	}
	if r.read > 64<<10 {
		t.Errorf("it read %d bytes for one line", r.read)
	}
	for _, err := range receipt.Backwards(bytes.NewReader(text), int64(len(text))+1) {
		if err == nil {
			t.Error("a file that is shorter than it was is no error")
		}
		break
	}
}

type counted struct {
	*bytes.Reader
	read int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	c.read += len(p)
	return c.Reader.ReadAt(p, at)
}
