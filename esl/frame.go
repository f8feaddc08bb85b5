package esl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strconv"

	"github.com/percipia/eslgo"
)

// Limits of a frame's head. FreeSWITCH sends two or three short lines; a Reply-Text may be a few hundred bytes.
const (
	maxLine        = 32 << 10 // also the size of the read buffer
	maxHeaderLines = 64
	maxBlankLines  = 64 // before a frame: FreeSWITCH ends some bodies with one or two
	bodyStep       = 64 << 10
	keepBody       = 1 << 20 // a larger body's buffer is not used again
)

// typeRudeRejection is the content type with which an address outside the ACL is turned away (mod_event_socket.c).
const typeRudeRejection = "text/rude-rejection"

// frameError is an ErrProtocol. What the peer sent is kept apart, since it may echo what it was sent.
type frameError struct {
	what string
	near []byte
}

func (e *frameError) Error() string { return e.what }
func (e *frameError) Unwrap() error { return ErrProtocol }

// frameReader reads the event socket's frames: lines "Name: value" up to a blank line, then Content-Length bytes of body.
// It trusts nothing: lines, their number and the body are limited, and memory grows only with what has really come.
type frameReader struct {
	r     *bufio.Reader
	limit int    // largest body
	body  []byte // used again for the next frame
}

func newFrameReader(r io.Reader, limit int) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, maxLine), limit: limit}
}

// next reads one frame. Its Body is valid until the next call. At a clean end it returns io.EOF.
func (f *frameReader) next() (eslgo.RawResponse, error) {
	head := make(textproto.MIMEHeader, 2)
	for lines, blank := 0, 0; ; {
		line, err := f.r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return eslgo.RawResponse{}, &frameError{fmt.Sprintf("a header line of more than %d bytes", maxLine), near(line)}
		case err == io.EOF && (len(line) > 0 || lines > 0):
			return eslgo.RawResponse{}, io.ErrUnexpectedEOF
		case err != nil:
			return eslgo.RawResponse{}, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			if lines > 0 {
				break
			}
			if blank++; blank > maxBlankLines {
				return eslgo.RawResponse{}, &frameError{"nothing but blank lines", nil}
			}
			continue
		}
		if lines++; lines > maxHeaderLines {
			return eslgo.RawResponse{}, &frameError{fmt.Sprintf("more than %d header lines", maxHeaderLines), near(line)}
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) {
			return eslgo.RawResponse{}, &frameError{"a line that is not a header", near(line)}
		}
		key := headerKey(name)
		head[key] = append(head[key], string(bytes.TrimSpace(value)))
	}
	response := eslgo.RawResponse{Headers: head}
	length := head.Get("Content-Length")
	if length == "" {
		return response, nil
	}
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil {
		return response, &frameError{"a Content-Length that is not a number", near([]byte(length))}
	}
	if n > uint64(f.limit) {
		return response, &frameError{fmt.Sprintf("a body of %d bytes, more than %d", n, f.limit), nil}
	}
	response.Body, err = f.readBody(int(n))
	return response, err
}

func (f *frameReader) readBody(n int) ([]byte, error) {
	if cap(f.body) > keepBody {
		f.body = nil
	}
	body := f.body[:0]
	for len(body) < n {
		step := min(n-len(body), bodyStep)
		body = slices.Grow(body, step)
		got, err := io.ReadFull(f.r, body[len(body):len(body)+step])
		body = body[:len(body)+got]
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	f.body = body
	return body, nil
}

// headerKey is textproto's canonical form, without an allocation for the names that come with each frame.
func headerKey(name []byte) string {
	switch string(name) {
	case "Content-Length":
		return "Content-Length"
	case "Content-Type":
		return "Content-Type"
	case "Reply-Text":
		return "Reply-Text"
	}
	return textproto.CanonicalMIMEHeaderKey(string(name))
}

func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}

func near(b []byte) []byte {
	const enough = 60
	return bytes.Clone(b[:min(len(b), enough)])
}
