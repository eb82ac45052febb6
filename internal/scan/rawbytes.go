package scan

import "io"

// rawBytes are the bytes of an archive. They are searched as they are when they were read,
// except those of members that hold them too.
type rawBytes struct {
	st     *stream
	r      io.Reader
	search *search
	// search.block[at:end] is still to be read, and search.block[:done] was searched.
	done, at, end int
	quiet         bool
	err           error
}

// Read reads what was not read yet.
func (in *rawBytes) Read(p []byte) (int, error) {
	if err := in.fill(); err != nil {
		return 0, err
	}
	n := copy(p, in.ahead())
	in.at += n
	return n, nil
}

// ReadByte keeps decoders from reading beyond their end.
func (in *rawBytes) ReadByte() (byte, error) {
	if err := in.fill(); err != nil {
		return 0, err
	}
	in.at++
	return in.search.block[in.at-1], nil
}

func (in *rawBytes) ahead() []byte { return in.search.block[in.at:in.end] }

func (in *rawBytes) fill() error {
	if in.at < in.end {
		return nil
	}
	in.settle()
	in.done, in.at, in.end = 0, 0, 0
	if in.err == nil {
		in.err = in.st.ctx.Err()
	}
	if in.err == nil {
		in.end, in.err = fill(in.r, in.search.block)
		if _, known := in.r.(whole); in.st.in == nil && !known {
			in.st.root.in += int64(in.end)
		}
	}
	if in.end > 0 {
		return nil
	}
	if in.err != io.EOF { //nolint:errorlint // an end that something wraps is none
		in.st.miss(in.err)
		in.err = errTold
	}
	return in.err
}

// settle searches what was read.
func (in *rawBytes) settle() {
	if p := in.search.block[in.done:in.at]; in.quiet {
		in.search.skip(int64(len(p)))
	} else {
		in.search.add(p, false)
	}
	in.done = in.at
}

// hush tells whether what is read from now on is the data of a member.
func (in *rawBytes) hush(quiet bool) {
	in.settle()
	in.quiet = quiet
}

// drain searches all that was not read.
func (in *rawBytes) drain() {
	in.hush(false)
	for in.fill() == nil {
		in.at = in.end
		if hole := holeOf(in.r); hole > 0 {
			in.settle()
			in.search.skip(hole)
			in.st.s.Skip(hole)
		}
	}
	in.search.skip(0)
}
