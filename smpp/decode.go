package smpp

// DecodeText reads the text of a message by its data_coding, as [Message.Body] is read: for the parts of a long message
// that were kept and are read together. It never fails: what cannot be read becomes U+FFFD.
func DecodeText(b []byte, coding byte) string { return decodeText(b, coding, false) }
