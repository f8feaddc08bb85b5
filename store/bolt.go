package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// boltTx is tx on bbolt.
type boltTx struct {
	tx      *bolt.Tx
	buckets [tables]*bolt.Bucket
}

func (b *boltTx) bucket(t table) (*bolt.Bucket, error) {
	if b.buckets[t] == nil {
		if b.buckets[t] = b.tx.Bucket([]byte(tableNames[t])); b.buckets[t] == nil {
			return nil, fmt.Errorf("table %s is missing: %w", tableNames[t], ErrCorrupt)
		}
		if inOrder[t] {
			b.buckets[t].FillPercent = 0.95
		}
	}
	return b.buckets[t], nil
}

// inOrder are the tables whose keys come in order. bbolt splits a page in two halves, and where nothing is ever put in between they
// would stay half empty. The ids of calls are in order with Asterisk; where they are not (FreeSWITCH), a page of few large records comes
// to the same either way.
var inOrder = [tables]bool{tCalls: true, tCallsTime: true, tDue: true, tTexts: true, tTextsTime: true, tLedger: true, tIncoming: true, tSeenTime: true,
	tThreads: true, tThreadsTime: true, tMessages: true, tBookingsTime: true, tDeliveries: true, tCounts: true}

// young are the tables that a file may lack that was made before there were these, and not opened for writing since.
var young = [tables]bool{tMade: true, tListed: true, tDelisted: true}

func (b *boltTx) Get(t table, key []byte) ([]byte, error) {
	bucket, err := b.bucket(t)
	if err != nil && young[t] && !b.tx.Writable() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bucket.Get(key), nil
}

func (b *boltTx) Put(t table, key, value []byte) error {
	bucket, err := b.bucket(t)
	if err != nil {
		return err
	}
	if value == nil {
		value = []byte{}
	}
	return bucket.Put(key, value)
}

func (b *boltTx) Delete(t table, key []byte) error {
	bucket, err := b.bucket(t)
	if err != nil {
		return err
	}
	return bucket.Delete(key)
}

func (b *boltTx) Scan(t table, from, to []byte, backward bool, fn func(k, v []byte) bool) error {
	bucket, err := b.bucket(t)
	if err != nil && young[t] && !b.tx.Writable() {
		return nil
	}
	if err != nil {
		return err
	}
	c := bucket.Cursor()
	if backward {
		return scanBack(c, from, to, fn)
	}
	k, v := c.First()
	if from != nil {
		k, v = c.Seek(from)
	}
	for ; k != nil && (to == nil || string(k) < string(to)); k, v = c.Next() {
		if !fn(k, v) {
			return nil
		}
	}
	return nil
}

// scanBack walks from the last key before to down to from. A page whose keys were all deleted in this same transaction stays in
// the tree until the commit: there Prev tells of no key although there are more before it, and Last never returns if all pages are
// like that. So the lowest key is looked up first, upwards, where bbolt steps over such pages: as long as it was not met, there
// is one more.
func scanBack(c *bolt.Cursor, from, to []byte, fn func(k, v []byte) bool) error {
	lowest, _ := c.Seek(from)
	if lowest == nil || to != nil && string(lowest) >= string(to) {
		return nil
	}
	before := func() (k, v []byte) {
		for k == nil {
			k, v = c.Prev()
		}
		return k, v
	}
	var k, v []byte
	if to != nil {
		k, _ = c.Seek(to) // the first key at or after to: the one before it is ours
	}
	if k == nil {
		k, v = c.Last()
	} else {
		k, v = before()
	}
	for fn(k, v) && string(k) != string(lowest) {
		k, v = before()
	}
	return nil
}

// openBolt opens the file. The map freelist and an unsynced one are what etcd and containerd run with: a damaged
// freelist page cannot make the file unreadable, and opening costs one walk over the pages.
func openBolt(o Options) (db *bolt.DB, err error) {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if !o.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(o.Path), 0o750); err != nil {
			return nil, fmt.Errorf("make the folder of the state file: %w", err)
		}
	}
	if err := preflight(o.Path); err != nil {
		return nil, openError(o.Path, err)
	}
	defer func() {
		// bbolt panics on what it finds in a damaged file while it looks for its free pages.
		if r := recover(); r != nil {
			db, err = nil, openError(o.Path, fmt.Errorf("%v: %w", r, ErrCorrupt))
		}
	}()
	db, err = bolt.Open(o.Path, 0o600, &bolt.Options{
		Timeout:        o.Timeout,
		ReadOnly:       o.ReadOnly,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
		MaxSize:        o.MaxSize,
	})
	if err != nil {
		return nil, openError(o.Path, err)
	}
	return db, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("open %s: %w: most likely the running daemon, which the commands talk to over its control socket",
			path, ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("open %s: %w; move it away and put the last backup in its place (docs/state.md)", path, err)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// writeError names what bbolt or the system calls differently.
func writeError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("commit: %w", ErrFull)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	}
	return fmt.Errorf("commit: %w", err)
}

// compactBolt rewrites a file of which more than half is free: bbolt never gives pages back. The new file replaces
// the old one while this process still holds the old one's lock.
func compactBolt(o Options, db *bolt.DB) (*bolt.DB, error) {
	const small = 4 << 20
	tmp := o.Path + ".compact"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return db, fmt.Errorf("remove what an earlier start left: %w", err)
	}
	size, free := usage(db)
	if size < small || free*2 < size {
		return db, nil
	}
	dst, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true, NoSync: true,
		FreelistType: bolt.FreelistMapType})
	if err == nil {
		err = errors.Join(bolt.Compact(dst, db, 1<<20), dst.Sync(), dst.Close())
	}
	if err == nil {
		err = checkFile(tmp)
	}
	if err != nil {
		_ = os.Remove(tmp) // the old file stays in use: nothing is lost but space
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return db, nil
		}
		return db, fmt.Errorf("compact: %w", err)
	}
	if err := errors.Join(os.Rename(tmp, o.Path), syncDir(o.Path), db.Close()); err != nil {
		return nil, fmt.Errorf("put the compacted file in place: %w", err)
	}
	return openBolt(o)
}

// usage is the file's size and what of it is free, in bytes.
func usage(db *bolt.DB) (size, free int64) {
	var page int
	_ = db.View(func(tx *bolt.Tx) error {
		// Within a transaction, which holds the mapping: Info looks into it, and would panic while the file is mapped anew.
		size, page = tx.Size(), tx.DB().Info().PageSize
		return nil
	})
	stats := db.Stats()
	return size, int64(stats.FreePageN+stats.PendingPageN) * int64(page)
}

// checkFile opens a copy for reading and checks every page of it.
func checkFile(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, ReadOnly: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		var first error
		for err := range tx.Check() { // drained to the end, or its goroutine would never end
			if first == nil {
				first = fmt.Errorf("check the copy: %w", err)
			}
		}
		return first
	})
}

// syncDir makes a rename durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
