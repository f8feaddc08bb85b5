package web

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// maxConns bounds connections at a time; further ones wait in the kernel.
const maxConns = 256

// Serve answers requests on l (plain, or a tls.Listener) until ctx ends; requests under way then get up to two seconds.
// It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		// What net/http would print is made by strangers (TLS scans, broken requests), a line for each.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if s, ok := h.(interface{ stop() }); ok {
		srv.RegisterOnShutdown(s.stop)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(netutil.LimitListener(l, maxConns)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(bound); err != nil {
		srv.Close()
	}
	<-ended
	return nil
}
