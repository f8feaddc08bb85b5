package store

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"textback"
)

// recordVersion is the first byte of every record: JSON of its fields, those with their zero value left out. A root
// type that grows a field needs no new version: older records lack it.
const recordVersion = 1

// encode appends a record, best given by a pointer. It is encoding/json's format without zero fields (the package has a tag for
// that, but the root types must not know how they are stored): about a third of the size.
func encode(b []byte, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer {
		// What is addressable can be read without a copy of each field.
		p := reflect.New(rv.Type())
		p.Elem().Set(rv)
		rv = p
	}
	write, known := writers[rv.Type()]
	if !known {
		write = makeWriter(rv.Type())
	}
	return write(append(b, recordVersion), rv)
}

// decode reads a record.
func decode(b []byte, v any) error {
	if len(b) == 0 {
		return errors.New("empty record")
	}
	if b[0] != recordVersion {
		return fmt.Errorf("record version %d is not known", b[0])
	}
	return json.Unmarshal(b[1:], v)
}

// writer appends a value of one type.
type writer func(b []byte, v reflect.Value) ([]byte, error)

// writers are the writers of the records, by the type of a pointer to them: what a type is made of is looked up once, records are
// written for every call.
var writers = writersOf(BookingRecord{}, Delivery{}, LedgerEntry{}, Made{}, Target{}, callerFacts{}, claim{}, early{}, incomingRecord{}, outRecord{}, partSet{},
	seenRecord{}, textRecord{}, threadRecord{}, textback.Message{}, textback.Verdict{})

func writersOf(records ...any) map[reflect.Type]writer {
	all := make(map[reflect.Type]writer, len(records))
	for _, r := range records {
		t := reflect.PointerTo(reflect.TypeOf(r))
		all[t] = makeWriter(t)
	}
	return all
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

func makeWriter(t reflect.Type) writer {
	switch {
	case t.Kind() == reflect.Pointer:
		write := makeWriter(t.Elem())
		return func(b []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(b, "null"...), nil
			}
			return write(b, v.Elem())
		}
	case t == timeType:
		return appendTime
	case t.Implements(textMarshaler):
		return appendText
	}
	switch t.Kind() {
	case reflect.Bool:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendBool(b, v.Bool()), nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendInt(b, v.Int(), 10), nil }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendUint(b, v.Uint(), 10), nil }
	case reflect.String:
		return func(b []byte, v reflect.Value) ([]byte, error) { return appendString(b, v.String()) }
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return func(b []byte, v reflect.Value) ([]byte, error) {
				return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"'), nil
			}
		}
		return listWriter(t)
	case reflect.Struct:
		return structWriter(t)
	default:
		return func(b []byte, _ reflect.Value) ([]byte, error) { return b, fmt.Errorf("a %s cannot be stored", t) }
	}
}

func appendTime(b []byte, v reflect.Value) (_ []byte, err error) {
	var at time.Time
	if v.CanAddr() {
		at = *v.Addr().Interface().(*time.Time)
	} else {
		at = v.Interface().(time.Time)
	}
	if b, err = at.AppendText(append(b, '"')); err != nil {
		return b, err
	}
	return append(b, '"'), nil
}

func appendText(b []byte, v reflect.Value) ([]byte, error) {
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return b, err
	}
	return appendString(b, string(text))
}

// appendString leaves what has to be escaped to encoding/json.
func appendString(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, err := json.Marshal(s)
			return append(b, text...), err
		}
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

func listWriter(t reflect.Type) writer {
	write := makeWriter(t.Elem())
	return func(b []byte, v reflect.Value) (_ []byte, err error) {
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = write(b, v.Index(i)); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}
}

func structWriter(t reflect.Type) writer {
	type field struct {
		index int
		name  string // with its quotes and colon
		write writer
	}
	var fields []field
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			fields = append(fields, field{i, `"` + f.Name + `":`, makeWriter(f.Type)})
		}
	}
	return func(b []byte, v reflect.Value) (_ []byte, err error) {
		b = append(b, '{')
		first := true
		for _, f := range fields {
			fv := v.Field(f.index)
			if fv.IsZero() || fv.Kind() == reflect.Slice && fv.Len() == 0 {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			if b, err = f.write(append(b, f.name...), fv); err != nil {
				return b, fmt.Errorf("%s: %w", t.Field(f.index).Name, err)
			}
		}
		return append(b, '}'), nil
	}
}
