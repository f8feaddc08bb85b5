package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// TokenLength is the length in characters of a booking token: lower-case letters and the digits 2 to 7, 50 bits.
const TokenLength = 10

// tokens makes the booking token of a text out of its id and as many random bits as there is room for, and finds the id of a token: no
// table of them has to be kept, in which each call would write a page of its own. The random bits keep a token from coming a second time
// when ids do, after a backup was put back. Both are enciphered with a permutation of the numbers of 50 bits that nobody can guess who has not
// the file's key: a Feistel network as in FF1 (NIST SP 800-38G, 10 rounds), with AES-128 of round and half as its function.
type tokens struct{ block cipher.Block }

const (
	tokenRounds = 10
	tokenHalf   = 25 // bits
	tokenMask   = 1<<tokenHalf - 1
	tokenRandom = 18 // bits; 32 are left for the id
)

const tokenLetters = "abcdefghijklmnopqrstuvwxyz234567"

// newTokens derives the key for them from that of the file.
func newTokens(hashKey []byte) (tokens, error) {
	mac := hmac.New(sha256.New, hashKey)
	mac.Write([]byte("booking tokens"))
	block, err := aes.NewCipher(mac.Sum(nil)[:16])
	if err != nil {
		return tokens{}, fmt.Errorf("make the key of booking tokens: %w", err)
	}
	return tokens{block}, nil
}

func (t tokens) mix(round, half uint64) uint64 {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], round)
	binary.BigEndian.PutUint64(b[8:], half)
	t.block.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint64(b[:]) & tokenMask
}

// of makes a token for a text; random is a number of whose bits it takes what it has room for.
func (t tokens) of(id uint64, random uint32) string {
	plain := id<<tokenRandom | uint64(random)&(1<<tokenRandom-1)
	left, right := plain>>tokenHalf&tokenMask, plain&tokenMask
	for round := range uint64(tokenRounds) {
		left, right = right, left^t.mix(round, right)
	}
	both := left<<tokenHalf | right
	var token [TokenLength]byte
	for i := TokenLength - 1; i >= 0; i-- {
		token[i] = tokenLetters[both%32]
		both /= 32
	}
	return string(token[:])
}

// text is the id that a token was made of, if it was made of one: the text tells whether this is its token. 0 if it has not the
// form of a token.
func (t tokens) text(token string) uint64 {
	if len(token) != TokenLength {
		return 0
	}
	var both uint64
	for i := range len(token) {
		letter := strings.IndexByte(tokenLetters, token[i])
		if letter < 0 {
			return 0
		}
		both = both*32 + uint64(letter)
	}
	left, right := both>>tokenHalf, both&tokenMask
	for round := uint64(tokenRounds); round > 0; round-- {
		left, right = right^t.mix(round-1, left), left
	}
	return (left<<tokenHalf | right) >> tokenRandom
}
