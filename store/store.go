package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
)

// The schema is the version of the tables' meaning; a file with a newer one than the program knows is refused.
const (
	schemaFirst  = 1
	schemaListed = 2 // it holds a list of opt-outs: a program that does not know lists would text those who stand in them
	schemaPeople = 3 // what is kept of people lies in one table (people.go); lists or none
	schemaNewest = schemaPeople
)

// schemaKey is where it stands in tMeta.
var schemaKey = []byte("schema")

// Errors that a caller may have to choose by; test with errors.Is.
var (
	ErrLocked   = errors.New("the state file is held by another process") // most likely the running daemon: use its control socket
	ErrCorrupt  = errors.New("the state file is damaged")                 // go back to the last backup, see docs/state.md
	ErrNewer    = errors.New("the state file was written by a newer textback")
	ErrReadOnly = errors.New("the state file is open for reading only")
	ErrClosed   = errors.New("the store is closed")
	ErrNotFound = errors.New("not found")
	ErrState    = errors.New("the text is in another state")            // it was cancelled, settled or taken meanwhile
	ErrOptedOut = errors.New("the person has opted out")                // nothing was queued
	ErrFull     = errors.New("the state file has reached its max size") // Options.MaxSize
)

// Options say how to open a state file.
type Options struct {
	Path     string
	ReadOnly bool          // for commands without a daemon; fails with ErrLocked while one runs
	Timeout  time.Duration // how long to wait for the file's lock; 1 s if zero
	MaxSize  int           // bytes; writes that would grow the file beyond fail with ErrFull; 0 = no limit

	// GroupMost bounds how many operations share one commit; 512 if zero. With 1 each has its own: to measure what sharing is worth.
	GroupMost int

	// NoCompact keeps Open from rewriting a file of which more than half is free pages.
	NoCompact bool

	// Join decodes the raw parts of a concatenated message, in order, when it is complete or timed out: a surrogate
	// or an escape pair may be split between parts, so parts are decoded together. Nil joins the parts' own Body.
	Join func(coding byte, parts [][]byte) string

	// TextChanged, if set, is called inside the transaction for every change of a text's state (its first, Queued,
	// included). The hand-offs that it returns are queued in that same transaction. It must be quick and pure.
	TextChanged func(textback.Text) []Delivery

	// Committed, if set, is told of each commit that changed something when it is over, and of each that failed, by the goroutine
	// that commits: it must not wait.
	Committed func(Commit)

	// BeforeCommit, if set, is called before each commit: an error makes the commit fail with it, a delay makes the
	// disk slow. For tests of faults.
	BeforeCommit func() error
}

// Commit is what became of one group of changes.
type Commit struct {
	Took     time.Duration      // to write it and to see it on the disk
	Writes   int                // changes that shared it
	Verdicts []textback.Verdict // those that it made, in order
	Texts    []textback.Text    // those whose state it changed, in order
	Err      error              // nothing of it counts
}

// Store is an open state file. Its methods may be called from any goroutine.
//
// A method that changes something returns nil only when the change is durable. It gives up with the context's error
// while it waits for its turn, never in the middle of a commit: an error means that nothing was changed. After a
// failed commit (disk full, read-only, I/O error) the store stays usable.
type Store struct {
	opts     Options
	db       *bolt.DB
	hashKey  []byte // for the keyed hashes of numbers and wordings
	tokens   tokens
	rates    *rates
	together bool   // what is kept of people lies in one table: not in an old file that is open for reading only
	scratch  []byte // the committing goroutine's: records are encoded into it
	requests chan *request
	quit     chan struct{}
	done     chan struct{}
	close    sync.Once
	closeErr error

	textsChanged      chan struct{}
	deliveriesChanged chan struct{}

	mu      sync.Mutex // guards the figures below
	commits uint64
	writes  uint64
	failed  uint64
	lastErr string
}

// Open opens the state file, makes it if it is not there (mode 0600), and starts the commit goroutine, which Close
// ends. Its errors are ErrLocked, ErrCorrupt and ErrNewer, or the system's.
func Open(o Options) (*Store, error) {
	db, err := openBolt(o)
	if err != nil {
		return nil, err
	}
	if o.GroupMost <= 0 {
		o.GroupMost = groupMax
	}
	s := &Store{
		opts: o, requests: make(chan *request), quit: make(chan struct{}), done: make(chan struct{}),
		textsChanged: make(chan struct{}, 1), deliveriesChanged: make(chan struct{}, 1),
	}
	if !o.ReadOnly {
		if err = upgrade(db); err == nil && !o.NoCompact {
			db, err = compactBolt(o, db)
		}
	}
	if err == nil {
		s.db = db
		err = s.readMeta()
	}
	if err != nil {
		if db != nil {
			_ = db.Close() // the first error is the one that matters
		}
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	if o.ReadOnly {
		close(s.done)
	} else {
		go s.commitLoop()
	}
	return s, nil
}

// Close waits for the commit under way and closes the file. Operations that still wait for their turn get ErrClosed.
func (s *Store) Close() error {
	s.close.Do(func() {
		close(s.quit)
		<-s.done
		s.closeErr = s.db.Close()
	})
	return s.closeErr
}

// TextsChanged is signalled (capacity one) after each commit that queued a text or moved one's due time.
func (s *Store) TextsChanged() <-chan struct{} { return s.textsChanged }

// DeliveriesChanged is signalled (capacity one) after each commit that queued a hand-off.
func (s *Store) DeliveriesChanged() <-chan struct{} { return s.deliveriesChanged }

// upgrade makes what is missing in the file, and brings an older one up to date.
func upgrade(db *bolt.DB) error {
	newer := false
	err := db.Update(func(tx *bolt.Tx) error {
		if meta := tx.Bucket([]byte(tableNames[tMeta])); meta != nil {
			if v, err := strconv.Atoi(string(meta.Get(schemaKey))); err == nil && v > schemaNewest {
				newer = true
				return nil // nothing is added to a newer file: readMeta refuses it
			}
		}
		for t, name := range tableNames {
			if aboutPeople[t] != 0 {
				continue
			}
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return fmt.Errorf("make table %s: %w", name, err)
			}
		}
		meta := tx.Bucket([]byte(tableNames[tMeta]))
		if v := meta.Get(schemaKey); v != nil {
			if old, err := strconv.Atoi(string(v)); err != nil || old >= schemaPeople {
				return nil // readMeta tells of what is no schema
			}
			// First of all: an older program is not to meet a file of which some has been moved.
			return meta.Put(schemaKey, strconv.AppendInt(nil, schemaPeople, 10))
		}
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return fmt.Errorf("make the key for hashes: %w", err)
		}
		return errors.Join(meta.Put(schemaKey, strconv.AppendInt(nil, schemaPeople, 10)), meta.Put([]byte("hash-key"), secret))
	})
	if err != nil || newer {
		return err
	}
	return bringTogether(db)
}

func (s *Store) readMeta() error {
	return s.db.View(func(btx *bolt.Tx) error {
		w := &work{tx: &boltTx{tx: btx}, s: s}
		v, err := strconv.Atoi(string(w.get(tMeta, schemaKey)))
		s.hashKey = append([]byte{}, w.get(tMeta, []byte("hash-key"))...)
		switch {
		case w.err != nil:
			return w.err
		case err != nil || len(s.hashKey) == 0:
			return fmt.Errorf("it is not a state file of textback: %w", ErrCorrupt)
		case v > schemaNewest:
			return fmt.Errorf("schema %d, this program knows %d: %w", v, schemaNewest, ErrNewer)
		case v >= schemaPeople && isApart(btx):
			return errors.New("it was being brought up to date when that was cut short: start the daemon, which goes on with it")
		}
		s.together = v >= schemaPeople
		if s.tokens, err = newTokens(s.hashKey); err == nil {
			s.rates, err = readRates(btx)
		}
		return err
	})
}
