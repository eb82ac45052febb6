package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"purser/internal/credential"
)

const (
	// mostManifests bounds the manifests of one image: of its platforms, attestations and what
	// else refers to it.
	mostManifests = 500
	// mostConfig bounds a configuration whose history is read.
	mostConfig = 8 << 20
	// manifestTime bounds one manifest, and stallTime a pause in a layer.
	manifestTime, stallTime = time.Minute, time.Minute
	// atOnce is how many layers are read at once.
	atOnce = 3
)

// ImageScheme begins the address of an image in a registry, and LayoutScheme the name of a
// folder with images.
const (
	ImageScheme  = "docker://"
	LayoutScheme = "oci:"
)

// IsImage reports whether a place is an image, or a folder with some.
func IsImage(place string) bool {
	return strings.HasPrefix(place, ImageScheme) || strings.HasPrefix(place, LayoutScheme)
}

var errLonger = errors.New("it is longer than its manifest says")

// manifest is what a manifest names: manifests of an index, or what an image consists of.
type manifest struct {
	Manifests []v1.Descriptor `json:"manifests"`
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
	FSLayers  []struct {      // of manifests before 2016
		BlobSum v1.Hash `json:"blobSum"`
	} `json:"fsLayers"`
}

func manifestOf(text []byte) (p manifest, err error) {
	err = json.Unmarshal(text, &p)
	for _, l := range p.FSLayers {
		p.Layers = append(p.Layers, v1.Descriptor{Digest: l.BlobSum})
	}
	return p, err
}

// historyOf returns the commands that made the layers of an image, as far as its configuration
// says.
func historyOf(config []byte) (commands []string) {
	var c v1.ConfigFile
	if json.Unmarshal(config, &c) != nil {
		return nil // it is no image's
	}
	for _, h := range c.History {
		if !h.EmptyLayer {
			commands = append(commands, h.CreatedBy)
		}
	}
	return commands
}

func stepOf(history []string, layer int) string {
	if layer < len(history) {
		return history[layer]
	}
	return ""
}

// Image looks through an image in a registry, docker://REPOSITORY:TAG or @DIGEST, for all of
// its platforms: layers with the files that later ones delete, configurations with their
// history, labels and environment, annotations, and attestations. It asks without credentials
// first, and then with those of keychain, which may be nil. So may through: Go's own.
func (s *Scanner) Image(ctx context.Context, address string, through http.RoundTripper, keychain authn.Keychain) error {
	ref, err := name.ParseReference(strings.TrimPrefix(address, ImageScheme))
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: credential.Quote(address) + " is not the address of an image", Why: "it must be " + ImageScheme + "REPOSITORY:TAG or " + ImageScheme + "REPOSITORY@DIGEST"}
	}
	if through == nil {
		through = http.DefaultTransport
	}
	host := ref.Context().RegistryStr()
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	im := &image{s: s, ctx: ctx, where: Where{Path: address}, repo: ref.Context(), slots: make(chan struct{}, atOnce)}
	im.options = []remote.Option{remote.WithTransport(guarded{through, credential.IsLoopbackHost(host)}), remote.WithUserAgent("purser")}
	top, err := im.open(ref, keychain)
	if err != nil {
		im.miss(im.where, err)
		return ctx.Err()
	}
	im.manifest(top.Manifest, top.Digest)
	im.referrers(top.Digest)
	im.work.Wait()
	return ctx.Err()
}

// image is an image that is read.
type image struct {
	s       *Scanner
	ctx     context.Context
	where   Where
	repo    name.Repository
	options []remote.Option
	puller  *remote.Puller
	named   int // manifests that others name

	work  sync.WaitGroup
	slots chan struct{}
}

// open finds out which credentials the registry wants.
func (im *image) open(ref name.Reference, keychain authn.Keychain) (top *remote.Descriptor, err error) {
	top, err = im.as(ref, remote.WithAuth(authn.Anonymous))
	var refused *transport.Error
	if keychain != nil && errors.As(err, &refused) && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, refused.StatusCode) {
		return im.as(ref, remote.WithAuthFromKeychain(keychain))
	}
	return top, err
}

func (im *image) as(ref name.Reference, auth remote.Option) (*remote.Descriptor, error) {
	options := append(slices.Clip(im.options), auth)
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return nil, err
	}
	top, err := get(im.ctx, puller, ref)
	if err == nil {
		im.puller, im.options = puller, options
	}
	return top, err
}

func get(ctx context.Context, puller *remote.Puller, ref name.Reference) (*remote.Descriptor, error) {
	ctx, stop := context.WithTimeout(ctx, manifestTime)
	defer stop()
	return puller.Get(ctx, ref)
}

// manifest looks through a manifest and what it names.
func (im *image) manifest(text []byte, digest v1.Hash) {
	if im.ctx.Err() != nil || !im.s.firstBlob(digest) {
		return
	}
	w := im.where.partOf(part{labelOf("manifest", digest), ""})
	im.look(w, bytes.NewReader(text))
	p, err := manifestOf(text)
	if err != nil {
		im.s.Miss(w, "purser does not know such manifests")
		return
	}
	for _, d := range p.Manifests {
		if im.named++; im.named > mostManifests {
			im.s.Miss(w, "it names more than "+strconv.Itoa(mostManifests)+" manifests")
			break
		}
		if m, err := get(im.ctx, im.puller, im.repo.Digest(d.Digest.String())); err != nil {
			im.miss(im.where.partOf(part{labelOf("manifest", d.Digest), ""}), err)
		} else {
			im.manifest(m.Manifest, d.Digest)
		}
	}
	var history []string
	if p.Config != nil {
		history = historyOf(im.config(*p.Config))
	}
	for i, d := range p.Layers {
		im.layer(d, stepOf(history, i))
	}
}

// referrers looks through what refers to an image, such as signatures and lists of contents.
func (im *image) referrers(digest v1.Hash) {
	ctx, stop := context.WithTimeout(im.ctx, manifestTime)
	defer stop()
	all, err := remote.Referrers(im.repo.Digest(digest.String()), append(slices.Clip(im.options), remote.WithContext(ctx))...)
	if err != nil {
		im.miss(im.where.partOf(part{labelOf("referrers of", digest), ""}), err)
		return
	}
	text, err := all.RawManifest()
	if digest, _, known := v1.SHA256(bytes.NewReader(text)); err == nil && known == nil { // a text always has one
		im.manifest(text, digest)
	}
}

// config looks through a configuration, and returns it.
func (im *image) config(d v1.Descriptor) (text []byte) {
	if !im.s.firstBlob(d.Digest) {
		return nil
	}
	w := im.where.partOf(part{labelOf("config", d.Digest), ""})
	r := im.blob(d)
	defer r.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(r, mostConfig))
	rest := io.MultiReader(bytes.NewReader(text), r)
	if err != nil {
		im.miss(w, err)
		rest = bytes.NewReader(text)
	}
	im.look(w, rest)
	return text
}

// layer looks through a layer, while others are looked through.
func (im *image) layer(d v1.Descriptor, step string) {
	if im.ctx.Err() != nil || !im.s.firstBlob(d.Digest) {
		return
	}
	im.slots <- struct{}{}
	im.work.Go(func() {
		defer func() { <-im.slots }()
		r := im.blob(d)
		defer r.Close() //nolint:errcheck // it was only read
		im.look(im.where.partOf(part{labelOf("layer", d.Digest), step}), r)
	})
}

func (im *image) look(w Where, r io.Reader) {
	_ = im.s.Look(im.ctx, w, r) // the caller asks ctx
}

// firstBlob reports whether a part of an image is new: images share layers.
func (s *Scanner) firstBlob(digest v1.Hash) bool {
	_, known := s.blobs.LoadOrStore(digest, true)
	return !known
}

// blob is a part of an image that is read while its registry sends something.
type blob struct {
	ctx   context.Context
	stop  context.CancelCauseFunc
	timer *time.Timer
	open  func(context.Context) (io.ReadCloser, error)
	r     io.ReadCloser
	left  int64 // of what the manifest says; below 0: it does not
}

// blob opens a part of an image when it is read. The library checks its digest, and follows
// no addresses in manifests.
func (im *image) blob(d v1.Descriptor) *blob {
	b := &blob{left: d.Size}
	if d.Size <= 0 {
		b.left = mostGrown
	}
	b.ctx, b.stop = context.WithCancelCause(im.ctx)
	b.timer = time.AfterFunc(stallTime, func() { b.stop(errors.New("the registry sent nothing for a minute")) })
	b.open = func(ctx context.Context) (io.ReadCloser, error) {
		l, err := im.puller.Layer(ctx, im.repo.Digest(d.Digest.String()))
		if err != nil {
			return nil, err
		}
		return l.Compressed()
	}
	return b
}

func (b *blob) Read(p []byte) (n int, err error) {
	b.timer.Reset(stallTime)
	defer b.timer.Stop()
	if b.r == nil {
		if b.r, err = b.open(b.ctx); err != nil {
			return 0, b.why(err)
		}
	}
	n, err = b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errLonger
	}
	return n, b.why(err)
}

func (b *blob) why(err error) error {
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // an end that something wraps is none
		return err
	case b.ctx.Err() != nil:
		return context.Cause(b.ctx)
	}
	return errors.New(refusal(err))
}

// Close ends the transfer.
func (b *blob) Close() error {
	b.timer.Stop()
	defer b.stop(nil)
	if b.r == nil {
		return nil
	}
	return b.r.Close()
}

func (im *image) miss(w Where, err error) {
	if im.ctx.Err() == nil {
		im.s.Miss(w, refusal(err))
	}
}

// refusal says for a person why a registry did not send something.
func refusal(err error) string {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		if errors.As(err, new(*url.Error)) {
			return credential.Unanswered(err, "SSL_CERT_FILE")
		}
		return why(err)
	}
	switch refused.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the registry does not let you read it"
	case http.StatusNotFound:
		return "the registry does not have it"
	case http.StatusTooManyRequests:
		return "the registry's rate limit is reached; try again later"
	}
	return "the registry answered " + strconv.Itoa(refused.StatusCode)
}

// guarded sends nothing over connections that others can read. It uses plain http only for a
// registry on this machine.
type guarded struct {
	next     http.RoundTripper
	loopback bool
}

// RoundTrip sends a request.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && (!g.loopback || !credential.IsLoopbackHost(r.URL.Hostname())) {
		return nil, errors.New("purser reads no image over plain http from " + r.URL.Host)
	}
	return g.next.RoundTrip(r)
}
