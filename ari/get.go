package ari

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Get reads one resource of ARI, path being what follows the URL, e.g. "/asterisk/info": for who wants to know something of a PBX
// once, without a link. Options.App may be left out. Errors are *[RESTError] where the PBX answered.
func Get(ctx context.Context, o Options, path string, query url.Values) ([]byte, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("get: the path must begin with /")
	}
	if o.App == "" {
		o.App = "textback"
	}
	o, u, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := newClient(o, u)
	defer c.close()
	return c.do(ctx, http.MethodGet, path, query, nil, listBody)
}
