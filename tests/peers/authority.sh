#!/bin/sh
# A throw-away certificate authority for the lab, with good certificates and bad ones, in the folder
# that is named: sh tests/peers/authority.sh lab
#
#   ca.pem                     what mail-client trusts with --ca
#   good.pem good.key          for localhost, 127.0.0.1 and ::1
#   wrong.pem wrong.key        for another name
#   expired.pem expired.key    until yesterday
#   self.pem self.key          for localhost, signed by itself
#
# Its keys lie beside its certificates and nobody guards them: never trust it outside the lab.
set -eu
mkdir -p "$1"
cd "$1"

key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

# certificate NAME SUBJECT-ALT-NAMES DAYS
certificate() {
	key "$1.key"
	printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2" >"$1.ext"
	openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$3" \
		-extfile "$1.ext" -out "$1.pem" 2>/dev/null
}

key ca.key
openssl req -x509 -new -key ca.key -subj '/CN=socklab throw-away authority' -days 2 -out ca.pem
certificate good DNS:localhost,IP:127.0.0.1,IP:::1 2
certificate wrong DNS:mail.example.org 2
certificate expired DNS:localhost,IP:127.0.0.1 -1
key self.key
openssl req -x509 -new -key self.key -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 -out self.pem
