package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base32"
	"fmt"
	"strings"
)

// cryptAlphabet is that of crypt(3), in the order of its six bits.
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// cryptRounds are those of SHA-crypt where nothing else is said.
const cryptRounds = 5000

// cryptSHA512 hashes a password as crypt(3) does with $6$ (Drepper, "Unix crypt using SHA-256 and SHA-512", 0.6; the
// steps are numbered as there): the form that ari.conf takes with password_format = crypt. salt has at most 16 characters
// of the alphabet.
func cryptSHA512(password, salt string) string {
	pw := []byte(password)
	b := sha512.New() // 4 to 8
	b.Write(pw)
	b.Write([]byte(salt))
	b.Write(pw)
	sumB := b.Sum(nil)

	a := sha512.New() // 1 to 3, 9 to 12
	a.Write(pw)
	a.Write([]byte(salt))
	a.Write(repeated(sumB, len(pw)))
	for n := len(pw); n > 0; n >>= 1 {
		if n&1 != 0 {
			a.Write(sumB)
		} else {
			a.Write(pw)
		}
	}
	sum := a.Sum(nil)

	d := sha512.New() // 13 to 16
	for range len(pw) {
		d.Write(pw)
	}
	p := repeated(d.Sum(nil), len(pw))
	d.Reset() // 17 to 20
	for range 16 + int(sum[0]) {
		d.Write([]byte(salt))
	}
	s := repeated(d.Sum(nil), len(salt))

	for i := range cryptRounds { // 21
		c := sha512.New()
		part := func(first bool) {
			if first {
				c.Write(p)
			} else {
				c.Write(sum)
			}
		}
		part(i%2 != 0)
		if i%3 != 0 {
			c.Write(s)
		}
		if i%7 != 0 {
			c.Write(p)
		}
		part(i%2 == 0)
		sum = c.Sum(nil)
	}
	return "$6$" + salt + "$" + cryptEncode(sum)
}

// repeated gives n bytes of a block over and over.
func repeated(block []byte, n int) []byte {
	return bytes.Repeat(block, n/len(block)+1)[:n]
}

// cryptEncode writes the 64 bytes in groups of three, from places that move on by 22 (22).
func cryptEncode(sum []byte) string {
	var out strings.Builder
	write := func(v uint, n int) {
		for range n {
			out.WriteByte(cryptAlphabet[v&63])
			v >>= 6
		}
	}
	i, j, k := 0, 21, 42
	for range 21 {
		write(uint(sum[i])<<16|uint(sum[j])<<8|uint(sum[k]), 4)
		i, j, k = j+1, k+1, i+1
	}
	write(uint(sum[63]), 2)
	return out.String()
}

// newSalt is a random salt.
func newSalt() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	for i := range b {
		b[i] = cryptAlphabet[b[i]&63]
	}
	return string(b), nil
}

// newPassword is a random password of 130 bits.
func newPassword() (string, error) {
	b := make([]byte, 17)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a password: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))[:26], nil
}
