#!/bin/sh
# A PSD2 party from a key pair to a signed session, with curl and openssl alone.
# Usage: sh psd2.sh http://127.0.0.1:5001 FOLDER; prints the name that the bank knows the party by.
set -eu

bank=$1
cd "$2"
common_name="Shell AISP PISP $$"

fail() {
    echo "$1" >&2
    exit 1
}

# The value of a text member, as it stands in a JSON answer of one line.
member() {
    sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$1"
}

# A PEM as it stands inside JSON.
as_json() {
    awk '{printf "%s\\n", $0}' "$1"
}

# POST FILE to a path; the rest of the arguments are headers. Leaves answer.json and headers.txt.
post() {
    path=$1 body=$2
    shift 2
    code=$(curl -s -o answer.json -D headers.txt -w '%{http_code}' -X POST --data-binary "@$body" \
        -H 'Content-Type: application/json' -H 'Cache-Control: no-cache' "$@" "$bank/v1/$path")
    [ "$code" = 200 ] || fail "$path: $code $(cat answer.json)"
}

# 1. Key pair and installation.
openssl genrsa -out client.key 2048 2>/dev/null
openssl rsa -in client.key -pubout -out client.pub 2>/dev/null
printf '{"client_public_key":"%s"}' "$(as_json client.pub)" >body.json
post installation body.json
token=$(member answer.json token)
member answer.json server_public_key | sed 's/\\n/\
/g; s/\\\//\//g' >server.pub

# 2. Certificate, and its signature over the public key and the installation token.
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$common_name/C=NL" \
    -keyout provider.key -out provider.crt 2>/dev/null
{ cat client.pub; printf '%s' "$token"; } >to_sign
signature=$(openssl dgst -sha256 -sign provider.key to_sign | openssl base64 -A)
printf '{"client_payment_service_provider_certificate":"%s","client_payment_service_provider_certificate_chain":"%s","client_public_key_signature":"%s"}' \
    "$(as_json provider.crt)" "$(as_json provider.crt)" "$signature" >body.json
post payment-service-provider-credential body.json -H "X-Bunq-Client-Authentication: $token"
secret=$(member answer.json token_value)

# 3. Device.
printf '{"description":"shell","secret":"%s","permitted_ips":["*"]}' "$secret" >body.json
post device-server body.json -H "X-Bunq-Client-Authentication: $token"

# 4. Session, signed; the answer must carry the bank's signature over its bytes.
printf '{"secret":"%s"}' "$secret" >body.json
signature=$(openssl dgst -sha256 -sign client.key body.json | openssl base64 -A)
post session-server body.json -H "X-Bunq-Client-Authentication: $token" -H "X-Bunq-Client-Signature: $signature"
sed -n 's/^[Xx]-[Bb]unq-[Ss]erver-[Ss]ignature: *\([^[:space:]]*\).*/\1/p' headers.txt | openssl base64 -d -A >answer.sig
openssl dgst -sha256 -verify server.pub -signature answer.sig answer.json >/dev/null || fail "the bank's signature is wrong"
grep -q '"UserPaymentServiceProvider"' answer.json || fail "not a payment service provider"
[ "$(member answer.json display_name)" = "$common_name" ] || fail "not the name of the certificate"
echo "$common_name"
