package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// preflight walks the pages of a bbolt file with plain reads before bbolt maps it. bbolt itself meets damage with a
// panic in a goroutine of its own, or with a fault outside the mapping, and neither can be caught. It returns nil
// for a file that is not there, empty, or locked by another process (bbolt says that better), else an ErrCorrupt
// with what is wrong.
func preflight(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	p := pages{f: f, size: info.Size()}
	if err := p.meta(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	p.seen = make([]bool, p.high)
	if err := p.tree(p.root, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// The layout of bbolt's pages (internal/common: page.go, meta.go, bucket.go), version 2.
const (
	pageHeader = 16 // id u64, flags u16, count u16, overflow u32
	element    = 16 // branch: pos u32, ksize u32, page u64; leaf: flags, pos, ksize, vsize u32
	branchPage = 0x01
	leafPage   = 0x02
	bucketLeaf = 0x01
	metaSize   = 64
	deepest    = 64
)

type pages struct {
	f        io.ReaderAt
	size     int64
	pageSize int64
	root     uint64
	high     uint64 // pages below this are in use or free
	seen     []bool
	bufs     [][]byte // one page for each depth, used again: a large file has hundreds of thousands
}

// buffer is the buffer for the pages of a depth.
func (p *pages) buffer(depth int) []byte {
	for len(p.bufs) <= depth {
		p.bufs = append(p.bufs, make([]byte, p.pageSize))
	}
	return p.bufs[depth]
}

// meta finds the newer valid one of the two meta pages, of whatever page size.
func (p *pages) meta() error {
	le := binary.LittleEndian
	var best uint64
	for i := range int64(2) {
		for size := int64(512); size <= 64<<10; size <<= 1 {
			b := make([]byte, metaSize)
			if _, err := p.f.ReadAt(b, i*size+pageHeader); err != nil {
				break // beyond the end
			}
			sum := fnv.New64a()
			sum.Write(b[:56])
			if le.Uint32(b) != 0xED0CDAED || le.Uint32(b[4:]) != 2 || int64(le.Uint32(b[8:])) != size ||
				le.Uint64(b[56:]) != sum.Sum64() {
				continue
			}
			if id := le.Uint64(b[48:]); p.pageSize == 0 || id > best {
				best, p.pageSize, p.root, p.high = id, size, le.Uint64(b[16:]), le.Uint64(b[40:])
			}
		}
	}
	switch {
	case p.pageSize == 0:
		return errors.New("it has no valid meta page")
	case p.high > uint64(p.size/p.pageSize):
		return fmt.Errorf("it is cut short: %d bytes of %d pages", p.size, p.high)
	}
	return nil
}

// tree walks one bucket from its root page.
func (p *pages) tree(id uint64, depth int) error {
	if id < 2 || id >= p.high || depth > deepest {
		return fmt.Errorf("page %d is out of bounds", id)
	}
	if p.seen[id] {
		return fmt.Errorf("page %d stands at two places", id)
	}
	p.seen[id] = true
	b := p.buffer(depth)
	if _, err := p.f.ReadAt(b, int64(id)*p.pageSize); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	overflow := uint64(binary.LittleEndian.Uint32(b[12:]))
	if overflow >= p.high-id {
		return fmt.Errorf("page %d is longer than the file", id)
	}
	for i := id + 1; i <= id+overflow; i++ {
		if p.seen[i] {
			return fmt.Errorf("page %d stands at two places", i)
		}
		p.seen[i] = true
	}
	if got := binary.LittleEndian.Uint64(b); got != id {
		return fmt.Errorf("page %d says that it is page %d", id, got)
	}
	if overflow > 0 {
		b = make([]byte, p.pageSize*int64(overflow+1))
		if _, err := p.f.ReadAt(b, int64(id)*p.pageSize); err != nil {
			return fmt.Errorf("read page %d: %w", id, err)
		}
	}
	if err := p.page(b, depth); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// page checks the elements of a page, or of a small bucket inside a leaf.
func (p *pages) page(b []byte, depth int) error {
	le := binary.LittleEndian
	if len(b) < pageHeader {
		return errors.New("cut short")
	}
	flags, count := le.Uint16(b[8:]), int(le.Uint16(b[10:]))
	if flags != branchPage && flags != leafPage {
		return fmt.Errorf("neither branch nor leaf (flags %#x)", flags)
	}
	if flags == branchPage && count == 0 || pageHeader+count*element > len(b) {
		return fmt.Errorf("%d elements do not fit", count)
	}
	var last []byte
	for i := range count {
		at := pageHeader + i*element
		e := b[at:]
		pos, ksize, vsize := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:])), uint64(0)
		if flags == leafPage {
			pos, ksize, vsize = uint64(le.Uint32(e[4:])), uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
		}
		start := uint64(at) + pos
		if start+ksize+vsize > uint64(len(b)) || pos < element {
			return fmt.Errorf("element %d is out of bounds", i)
		}
		name := b[start : start+ksize]
		if i > 0 && bytes.Compare(name, last) <= 0 {
			return fmt.Errorf("element %d is out of order", i)
		}
		last = name
		value := b[start+ksize : start+ksize+vsize]
		var err error
		switch {
		case flags == branchPage:
			err = p.tree(le.Uint64(e[8:]), depth+1)
		case le.Uint32(e)&bucketLeaf != 0 && len(value) < 16:
			err = fmt.Errorf("element %d is no bucket", i)
		case le.Uint32(e)&bucketLeaf != 0 && le.Uint64(value) == 0:
			err = p.page(value[16:], depth+1)
		case le.Uint32(e)&bucketLeaf != 0:
			err = p.tree(le.Uint64(value), depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
