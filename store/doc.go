// Package store keeps textback's state in one bbolt file: verdicts, claims, texts on their way (the outbox),
// opt-outs with their ledger, threads, bookings, hand-offs that wait, and the counters that the guards and the
// reports need.
//
// It decides nothing and reads no clock: what to do comes in as functions and fields, and so does the time. Every
// operation that changes something is one transaction, and returns nil only when it is on the disk; transactions that
// arrive together share one commit (and one fsync). Reads are short views; everything they return is a copy.
//
// All records live in tables of ordered byte keys behind one small interface (Get, Put, Delete, Scan; see tx.go),
// so that the same schema can run on etcd when several daemons must share their state. Nothing outside this package
// sees bbolt.
package store
