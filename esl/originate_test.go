package esl_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"textback/esl"
	"textback/esl/esltest"
)

func TestOriginateRingsThePhoneAndThenTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		synctest.Wait()
		for range 2 {
			uuid, err := r.link.Originate(t.Context(), esl.Call{Ring: "user/1000@example.org", Then: "+15552340101",
				CallerName: `O'Brien, "Jo"`, CallerNumber: "+15552340101", Variables: map[string]string{"textback": "callback"}})
			if err != nil || len(uuid) != 36 {
				t.Fatalf("%q, %v", uuid, err)
			}
			made := r.pbx.Originated()
			last := made[len(made)-1]
			want := "{origination_uuid=" + uuid + ",originate_timeout=30,origination_caller_id_name='OBrien Jo'," +
				"origination_caller_id_number=+15552340101,textback='callback'}user/1000@example.org +15552340101 XML default"
			if got, _, _ := strings.Cut(last, "\n"); got != want {
				t.Errorf("sent %q\nwant %q", got, want)
			}
		}
		subscribed := 0
		for _, c := range r.pbx.Commands() {
			if c == "event json BACKGROUND_JOB" {
				subscribed++
			}
		}
		if subscribed != 1 {
			t.Errorf("subscribed to jobs %d times", subscribed)
		}
		r.want(t, "up", "up") // the job is not an event of the receiver
	})
}

func TestOriginateTellsWhyNot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer string
		takes  time.Duration
		err    error
	}{
		{"phone not registered", "-ERR USER_NOT_REGISTERED\n", 0, esl.ErrOriginate},
		{"nobody answers", "-ERR NO_ANSWER\n", 30 * time.Second, esl.ErrOriginate},
		{"no result in time", "+OK late\n", time.Hour, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pbx := esltest.New(esltest.Options{Password: password, Originate: func(string) string {
					time.Sleep(tt.takes)
					return tt.answer
				}})
				r := rigOn(t, pbx, esl.Options{}, nil)
				defer r.stop()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := r.link.Originate(ctx, esl.Call{Ring: "user/1000", Then: "9"})
				if !errors.Is(err, tt.err) {
					t.Errorf("%v", err)
				}
				if word := strings.TrimSuffix(strings.TrimPrefix(tt.answer, "-ERR "), "\n"); errors.Is(err, esl.ErrOriginate) &&
					!strings.Contains(err.Error(), word) {
					t.Errorf("%v does not say %s", err, word)
				}
				r.want(t, "up", "up") // and the link lives
			})
		})
	}
}

func TestOriginateSendsNothingThatCouldBeAnotherCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		synctest.Wait()
		before := len(r.pbx.Commands())
		for _, call := range []esl.Call{
			{},
			{Ring: "user/1000"},
			{Ring: "user/1000", Then: "9\n\napi shutdown"},
			{Ring: "user/1000", Then: "9 XML default"},
			{Ring: "user/1000\r\n\r\nexit", Then: "9"},
			{Ring: "{a=b}user/1000", Then: "9"},
			{Ring: "user/1000", Then: "'9'"},
			{Ring: "user/1000", Then: "&system(rm${IFS}x)"},
			{Ring: "user/1000", Then: "9", Context: "a b"},
			{Ring: "user/1000", Then: "9", Variables: map[string]string{"a": "x',b='y"}},
			{Ring: "user/1000", Then: "9", Variables: map[string]string{"a": "${system(reboot)}"}},
			{Ring: "user/1000", Then: "9", Variables: map[string]string{"a=b": "x"}},
		} {
			if _, err := r.link.Originate(t.Context(), call); !errors.Is(err, esl.ErrArgument) {
				t.Errorf("%+v: %v", call, err)
			}
		}
		if n := len(r.pbx.Commands()) - before; n != 0 {
			t.Errorf("%d commands were sent", n)
		}
	})
}

func TestOriginateFailsWhileTheLinkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password, Originate: func(string) string {
			time.Sleep(time.Minute)
			return "+OK\n"
		}})
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		call := esl.Call{Ring: "user/1000", Then: "9"}
		synctest.Wait()
		time.AfterFunc(10*time.Second, pbx.Kill)
		if _, err := r.link.Originate(t.Context(), call); !errors.Is(err, esl.ErrClosed) {
			t.Errorf("cut while it rang: %v", err)
		}
		synctest.Wait()
		if _, err := r.link.Originate(t.Context(), call); !errors.Is(err, esl.ErrDown) {
			t.Errorf("down: %v", err)
		}
	})
}
