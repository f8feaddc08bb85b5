package smpp

import "textback"

func decodeText(b []byte, coding byte, latin1 bool) string { return textback.DecodeGSM7(b) }
