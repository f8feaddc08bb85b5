package smpp

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// parseTONNPI reads "ton/npi" (SMPP 3.4, 5.2.5 and 5.2.6).
func parseTONNPI(s string) (ton, npi byte, ok bool) {
	a, b, found := strings.Cut(s, "/")
	t, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 8)
	n, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 8)
	return byte(t), byte(n), found && err1 == nil && err2 == nil
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
