package daemon

import (
	"context"
	"errors"
	"strings"

	"textback"
	"textback/configs"
	"textback/store"
)

// writer is who wrote, in the form in which we text him. Message centres write a foreign number with or without its +, and
// say or do not say that it is international: the form that is on record is the right one, for a STOP must find its number.
func (d *Daemon) writer(ctx context.Context, cfg *configs.Config, from string) (string, error) {
	forms := writerForms(cfg, from)
	for _, form := range forms {
		known, err := d.store.Explain(ctx, form)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return "", err
		case len(known.Texts)+len(known.Calls)+len(known.Threads)+len(known.Ledger) > 0:
			return form, nil
		}
	}
	return forms[0], nil
}

// writerForms are the forms that a sender's address may stand for, the likeliest first.
func writerForms(cfg *configs.Config, from string) []string {
	var forms []string
	add := func(form string) {
		for _, f := range forms {
			if f == form {
				return
			}
		}
		forms = append(forms, form)
	}
	for _, validate := range []bool{true, false} {
		if n, err := textback.ParseNumber(from, homeRegion(cfg), nil, validate); err == nil {
			add(n.E164)
		}
	}
	digits := strings.TrimPrefix(from, "+")
	if digits != "" && strings.Trim(digits, "0123456789") == "" {
		add("+" + digits)
	}
	add(from)
	return forms
}
