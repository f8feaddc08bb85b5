package rules

import "time"

// Clock is a time of day in minutes after midnight, 0 to 1440.
type Clock int

// Span is a part of a day, From included, To not. To may be 1440.
type Span struct{ From, To Clock }

// Date is a calendar day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// Hours are opening hours by weekday with closed dates. The zero value is always open.
type Hours struct {
	Days   [7][]Span // by time.Weekday; a business without hours has none anywhere and is always open
	Closed map[Date]bool
}

// Quiet are quiet hours; From after To runs over midnight; From equal to To means none.
type Quiet struct{ From, To Clock }
