package handoff

import "time"

// MaxAfter bounds what a receiver can ask for by Retry-After.
const MaxAfter = 24 * time.Hour

// schedule are the waits before each attempt (Standard Webhooks, "Deliverability and reliability"): at once, then
// counted from the attempt before.
func schedule() [10]time.Duration {
	return [...]time.Duration{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

// Retry tells how long to wait before the next attempt after `made` attempts failed, and false when there is none left.
// jitter in [0,1) spreads the wait over ±10 %; after is the receiver's Retry-After, which can only lengthen the wait.
func Retry(made int, jitter float64, after time.Duration) (wait time.Duration, ok bool) {
	steps := schedule()
	if made < 0 || made >= len(steps) {
		return 0, false
	}
	wait = steps[made]
	wait += time.Duration(float64(wait) * (0.2*min(max(jitter, 0), 1) - 0.1))
	return max(wait, min(after, MaxAfter)), true
}
