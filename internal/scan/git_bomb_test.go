package scan_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"purser/internal/scan"
)

// A pack as git reads it, with objects that git would not write.
type pack struct {
	data    bytes.Buffer
	objects []packed
}

type packed struct {
	id     [sha1.Size]byte
	at, to int
}

const (
	packedBlob  = 3
	packedDelta = 7
)

func (p *pack) add(id string, kind, size int, before, content []byte) {
	if p.data.Len() == 0 {
		p.data.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x00")
	}
	one := packed{at: p.data.Len()}
	_, _ = hex.Decode(one.id[:], []byte(id))
	head := byte(kind<<4 | size&15)
	for size >>= 4; size > 0; size >>= 7 {
		p.data.WriteByte(head | 0x80)
		head = byte(size & 0x7f)
	}
	p.data.WriteByte(head)
	p.data.Write(before)
	z := zlib.NewWriter(&p.data)
	_, _ = z.Write(content)
	_ = z.Close()
	one.to = p.data.Len()
	p.objects = append(p.objects, one)
}

// blob adds an object that is what its id says.
func (p *pack) blob(text []byte) (id string) {
	sum := sha1.Sum(append([]byte("blob "+strconv.Itoa(len(text))+"\x00"), text...))
	id = hex.EncodeToString(sum[:])
	p.add(id, packedBlob, len(text), nil, text)
	return id
}

// copies adds an object that is another, so many times.
func (p *pack) copies(id, base string, size, times int) {
	number := func(n int) (b []byte) {
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(b, byte(n))
	}
	delta := append(number(size), number(size*times)...)
	for range times {
		delta = append(delta, 0xf0, byte(size), byte(size>>8), byte(size>>16)) // copy from 0
	}
	raw, _ := hex.DecodeString(base)
	p.add(id, packedDelta, len(delta), raw, delta)
}

func (p *pack) write(t *testing.T, dir string) {
	t.Helper()
	data := p.data.Bytes()
	binary.BigEndian.PutUint32(data[8:], uint32(len(p.objects)))
	sum := sha1.Sum(data)
	slices.SortFunc(p.objects, func(a, b packed) int { return bytes.Compare(a.id[:], b.id[:]) })
	index := []byte("\xfftOc\x00\x00\x00\x02")
	for first := range 256 {
		n := 0
		for _, o := range p.objects {
			if int(o.id[0]) <= first {
				n++
			}
		}
		index = binary.BigEndian.AppendUint32(index, uint32(n))
	}
	for _, o := range p.objects {
		index = append(index, o.id[:]...)
	}
	for _, o := range p.objects {
		index = binary.BigEndian.AppendUint32(index, crc32.ChecksumIEEE(data[o.at:o.to]))
	}
	for _, o := range p.objects {
		index = binary.BigEndian.AppendUint32(index, uint32(o.at))
	}
	index = append(index, sum[:]...)
	all := sha1.Sum(index)
	name := filepath.Join(dir, "objects", "pack", "pack-"+hex.EncodeToString(sum[:]))
	write(t, name+".pack", string(data)+string(sum[:]))
	write(t, name+".idx", string(index)+string(all[:]))
}

func TestAnObjectThatUnpacksToTooMuchIsSaidAndTheRestIsLookedThrough(t *testing.T) {
	c := repo(t)
	const size = 1 << 20
	var p pack
	base := p.blob(make([]byte, size))
	p.copies(strings.Repeat("0b", sha1.Size), base, size, 3<<10) // 3 GB
	p.blob([]byte(line2))
	p.write(t, filepath.Join(c.dir, ".git"))
	s, r := scanner(value("dockerhub", token))
	r.git(s)
	if err := s.Files(context.Background(), c.dir); err != nil {
		t.Fatal(err)
	}
	if len(r.found) != 1 || !strings.HasPrefix(r.found[0], "repo:2 ") {
		t.Errorf("found %q", r.found)
	}
	if len(r.missed) != 1 || !strings.Contains(r.missed[0], "git could not read 1 object (attempting to allocate") {
		t.Errorf("missed %q", r.missed)
	}
}

func TestARepositoryThatUnpacksToTooMuchIsLeft(t *testing.T) {
	defer scan.LimitRepositories(1 << 20)()
	c := repo(t)
	const size = 1 << 20
	var p pack
	base := p.blob(make([]byte, size))
	for i := range 200 {
		p.copies(hex.EncodeToString(append(make([]byte, sha1.Size-1), byte(i)+1)), base, size, 1<<8)
	}
	p.write(t, filepath.Join(c.dir, ".git"))
	if info, err := os.Stat(packOf(t, c.dir)); err != nil || info.Size() > 64<<10 {
		t.Fatal(info, err)
	}
	s, r := scanner(value("dockerhub", token))
	if err := s.Files(context.Background(), c.dir); err != nil {
		t.Fatal(err)
	}
	if len(r.missed) != 1 || !strings.Contains(r.missed[0], "10000 times their size") {
		t.Errorf("missed %q", r.missed)
	}
	if read := s.Totals().Bytes; read > 2<<30 {
		t.Errorf("it read %d MB", read>>20)
	}
}

// A loose object can say that it is of any size.
func TestAnObjectThatLiesAboutItsSizeHidesNoOther(t *testing.T) {
	for _, size := range []string{"9000000000000000", "100000000", "1000", "2", "0", "-1", "x"} {
		t.Run(size, func(t *testing.T) {
			c := repo(t)
			id := c.commit("a", line2)
			c.commit("a", "clean")
			var lie bytes.Buffer
			z := zlib.NewWriter(&lie)
			_, _ = z.Write([]byte("blob " + size + "\x00short"))
			_ = z.Close()
			write(t, filepath.Join(c.dir, ".git/objects/00", strings.Repeat("0", 37)+"1"), lie.String())
			r := look(t, c.dir)
			missed := r.missed
			r.missed = nil
			r.want(t, "repo!a:2"+at(id, 1, "refs/heads/main"))
			if len(missed) != 1 || !strings.Contains(missed[0], "git could not read 1 object") {
				t.Errorf("missed %q", missed)
			}
		})
	}
}

func TestARepositoryOfSomebodyElseIsLookedThrough(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	c := repo(t)
	id := c.commit("a", line2)
	c.commit("a", "clean")
	if err := filepath.WalkDir(c.dir, func(path string, _ os.DirEntry, _ error) error { return os.Chown(path, 12345, 12345) }); err != nil {
		t.Skip(err)
	}
	look(t, c.dir).want(t, "repo!a:2"+at(id, 1, "refs/heads/main"))
}

func FuzzObjects(f *testing.F) {
	id := strings.Repeat("0a", sha1.Size)
	blob := id + " blob " + strconv.Itoa(len(line2)) + "\n" + line2 + "\n"
	for _, seed := range []string{"", blob, blob + blob, id + " missing\n" + blob, id + " blob 5\n", id + " blob 99999999\n" + blob, id + " blob -1\n", "\n", blob[:50]} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, printed []byte) {
		s, r := scanner(value("dockerhub", token))
		done, err := s.ReadObjects(append([]byte(blob), printed...))
		if done == 0 || len(r.found) == 0 {
			t.Errorf("%d objects, found %q, %v", done, r.found, err)
		}
	})
}
