package configs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
)

// digest tells one content of certificate files from another, so that a reload notices a renewed certificate behind the
// same path. The zero value is no file.
type digest [sha256.Size]byte

// pemFile reads a PEM file that a key names; nil if there is none or it cannot be read.
func (s *section) pemFile(key string) (path string, data []byte) {
	text := s.str(key, "")
	if text == "" {
		return "", nil
	}
	path = s.path(text)
	data, _, err := s.options.readFile(path)
	if err != nil {
		s.bad(key, fmt.Sprintf("%s cannot be read: %v", path, cause(err)),
			"write the path of a PEM file that user textback may read")
		return path, nil
	}
	return path, data
}

// authority reads the key tls_ca: a file with at least one certificate.
func (s *section) authority(key string) (string, digest) {
	path, data := s.pemFile(key)
	if data == nil {
		return path, digest{}
	}
	if !x509.NewCertPool().AppendCertsFromPEM(data) {
		s.bad(key, path+" holds no certificate in PEM form",
			"write the file of the authority that signed the server's certificate; it begins with -----BEGIN CERTIFICATE-----")
	}
	return path, sha256.Sum256(data)
}

// keyPair reads the certificate and key of a listener.
func (s *section) keyPair(certKey, keyKey string) (cert, key string, sum digest) {
	cert, certData := s.pemFile(certKey)
	key, keyData := s.pemFile(keyKey)
	if (cert == "") != (key == "") {
		s.bad(certKey, fmt.Sprintf("%s and %s belong together", certKey, keyKey), "write both, or neither")
		return cert, key, sum
	}
	if certData == nil || keyData == nil {
		return cert, key, sum
	}
	if _, err := tls.X509KeyPair(certData, keyData); err != nil {
		s.bad(certKey, "the two do not make a certificate: "+strings.TrimPrefix(err.Error(), "tls: "),
			fmt.Sprintf("write the PEM files of one certificate, with its chain, and of its key: %s = \"…/fullchain.pem\", %s = \"…/privkey.pem\"", certKey, keyKey))
		return cert, key, sum
	}
	return cert, key, sha256.Sum256(append(certData[:len(certData):len(certData)], keyData...))
}
