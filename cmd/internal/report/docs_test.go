package report

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryFieldOfTheJSONAndEveryAdviceIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	check := func(word, what string) {
		seen++
		if !strings.Contains(string(page), "`"+word+"`") {
			t.Errorf("docs/reports.md does not name the %s %q", what, word)
		}
	}
	var walk func(reflect.Type)
	known := []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[Rate](), reflect.TypeFor[Span]()}
	walk = func(x reflect.Type) {
		for x.Kind() == reflect.Slice || x.Kind() == reflect.Array {
			x = x.Elem()
		}
		if x.Kind() != reflect.Struct || slices.Contains(known, x) {
			return
		}
		known = append(known, x)
		for i := range x.NumField() {
			name, _, _ := strings.Cut(x.Field(i).Tag.Get("json"), ",")
			check(name, "field")
			walk(x.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Report]())
	source, err := os.ReadFile("advice.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []string{"Act", "Look", "Note"} {
		for _, part := range strings.Split(string(source), "a.say("+level+`, "`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			check(id, "advice")
		}
	}
	if seen < 70 {
		t.Errorf("only %d words were looked for", seen)
	}
}
