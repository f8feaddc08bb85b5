package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// WriteJSON writes the report as JSON, indented.
func WriteJSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteCSV writes one tidy table: section, key, metric, value. Shares are fractions with a metric of their own for what they
// stand on (reply_rate_n, reply_rate_of), times are seconds, moments RFC 3339.
func WriteCSV(w io.Writer, r *Report) error {
	c := &csvWriter{w: csv.NewWriter(w)}
	c.put("section", "key", "metric", "value")
	c.put("period", "", "since", r.Since.Format(time.RFC3339))
	c.put("period", "", "until", r.Until.Format(time.RFC3339))
	c.put("period", "", "timezone", r.Timezone)
	c.put("period", "before", "since", r.Before.Since.Format(time.RFC3339))
	c.put("period", "before", "until", r.Before.Until.Format(time.RFC3339))
	c.put("period", "before", "known", strconv.FormatBool(r.Before.Known))
	c.fields("figures", "", r.Figures)
	c.fields("figures", "before", r.Before.Figures)
	for _, list := range []struct {
		section string
		rows    []Row
	}{{"outcomes", r.Outcomes}, {"verdicts", r.Verdicts}, {"states", r.States}} {
		for _, row := range list.rows {
			c.put(list.section, row.Word, "n", itoa(row.N))
			c.put(list.section, row.Word, "before", itoa(row.Before))
		}
	}
	for _, d := range r.Days {
		c.fields("days", d.Date, d)
	}
	for d, hours := range r.Hours {
		for h, n := range hours {
			c.put("hours", fmt.Sprintf("%s %02d", weekdays[d][:3], h), "missed", itoa(n))
		}
	}
	for _, g := range r.Lines {
		c.fields("lines", g.Key, g)
	}
	for _, g := range r.Templates {
		c.fields("templates", g.Key, g)
		for _, v := range g.Variants {
			c.fields("variants", g.Key+"/"+v.Key, v)
		}
	}
	for _, w := range r.Would {
		c.fields("would_send", w.Template+"/"+w.Line, w)
	}
	for _, a := range r.Advice {
		c.put("advice", a.ID, a.Level, a.Text)
	}
	c.w.Flush()
	return c.w.Error()
}

type csvWriter struct{ w *csv.Writer }

// put writes a row. Nothing that a stranger dialled may become a formula in a spreadsheet (OWASP, CSV injection).
func (c *csvWriter) put(cells ...string) {
	for i, cell := range cells {
		cell = strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, cell)
		if cell != "" && strings.ContainsRune("=@-+", rune(cell[0])) && strings.Trim(cell[1:], "0123456789") != "" {
			cell = "'" + cell
		}
		cells[i] = cell
	}
	// The writer keeps its first error for Flush.
	_ = c.w.Write(cells)
}

// fields writes the numbers of a struct under the names that they have in JSON.
func (c *csvWriter) fields(section, key string, v any) {
	s := reflect.ValueOf(v)
	for i := range s.NumField() {
		name, _, _ := strings.Cut(s.Type().Field(i).Tag.Get("json"), ",")
		switch x := s.Field(i).Interface().(type) {
		case int:
			c.put(section, key, name, itoa(x))
		case Rate:
			if x.Known() {
				c.put(section, key, name, strconv.FormatFloat(x.Value(), 'f', 4, 64))
			}
			c.put(section, key, name+"_n", itoa(x.N))
			c.put(section, key, name+"_of", itoa(x.Of))
		case Span:
			c.put(section, key, name+"_n", itoa(x.N))
			if x.N > 0 {
				c.put(section, key, name+"_median_s", seconds(x.Median))
				c.put(section, key, name+"_p90_s", seconds(x.P90))
			}
		default: // the key, names and lists have rows of their own
		}
	}
}

func seconds(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
