package store

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
)

// recordVersion is the first byte of every record: JSON of its fields, those with their zero value left out. A root
// type that grows a field needs no new version: older records lack it.
const recordVersion = 1

// encode writes a record. It is encoding/json's format without zero fields (the package has a tag for that, but the
// root types must not know how they are stored): about a third of the size.
func encode(v any) ([]byte, error) {
	return appendValue([]byte{recordVersion}, reflect.ValueOf(v))
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

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		return appendValue(b, v.Elem())
	}
	if v.Type().Implements(textMarshaler) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return b, err
		}
		return appendString(b, string(text))
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b = append(b, '"')
			return append(base64.StdEncoding.AppendEncode(b, v.Bytes()), '"'), nil
		}
		return appendList(b, v)
	case reflect.Struct:
		return appendStruct(b, v)
	default:
		return b, fmt.Errorf("a %s cannot be stored", v.Type())
	}
}

func appendString(b []byte, s string) ([]byte, error) {
	text, err := json.Marshal(s)
	return append(b, text...), err
}

func appendList(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, v.Index(i)); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendStruct(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for i := range v.NumField() {
		f := v.Field(i)
		field := v.Type().Field(i)
		if !field.IsExported() || f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), field.Name...), `":`...)
		if b, err = appendValue(b, f); err != nil {
			return b, fmt.Errorf("%s: %w", field.Name, err)
		}
	}
	return append(b, '}'), nil
}
