#!/bin/sh
# What the tests use from outside Python: a Chromium and the library that its driver is linked with, git,
# a PostgreSQL server, Node for a foreign client, programs that read our exports, and fail2ban to read our log.
# Debian's packages are installed where we are root there; everywhere else the tests skip what is missing and say so.
# With CI=true nothing may be missing, so the rest is installed too (and the tests fail without it).
# Its argument is the Python of the environment that the tests run in.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
# Playwright brings a Node of its own, linked with a library that a minimal Debian or Ubuntu has not.
playwright_runs() { "$1" -m playwright --version >/dev/null 2>&1; }
# Ubuntu's package is only a pointer to a snap, and says so with a status of 1.
have_chromium() {
    for each in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
        "$each" --version >/dev/null 2>&1 && return
    done
    return 1
}
have_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

# The package brings a service that starts at once, and the tests need one program of it.
install_promtool() {
    folder=$(mktemp -d)
    if (cd "$folder" && apt-get download prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb |
        tar -xO ./usr/bin/promtool >promtool && install promtool /usr/local/bin) >"$log" 2>&1; then
        rm -rf "$folder"
        return
    fi
    tail -n 20 "$log" >&2
    echo "NOT INSTALLED: promtool - its last lines stand above" >&2
    rm -rf "$folder"
}

wanted=""
have_chromium || wanted="$wanted chromium"
playwright_runs "${1:-python3}" || wanted="$wanted libatomic1"
if [ "${CI:-}" = "true" ]; then
    have_postgres || wanted="$wanted postgresql"
    have node && have npm || wanted="$wanted npm" # brings Node along
    have git || wanted="$wanted git"
    have hledger || wanted="$wanted hledger"
    have fail2ban-regex || wanted="$wanted fail2ban"
    have nginx || wanted="$wanted nginx" # these three run the configurations in docs/
    have caddy || wanted="$wanted caddy"
    have systemd-analyze || wanted="$wanted systemd"
    have ledger || wanted="$wanted ledger"
    have aqbanking-cli || wanted="$wanted aqbanking-tools"
    have ofxdump || wanted="$wanted ofx"
    have curl || wanted="$wanted curl"
    have soffice || wanted="$wanted libreoffice-calc-nogui"
    have promtool || wanted="$wanted promtool"
fi
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! have apt-get; then
    echo "NOT INSTALLED:$wanted - the tests that need it are skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt-get update >"$log" 2>&1 || tail -n 5 "$log" >&2
for package in $wanted; do
    # The same browser without windows is quicker, where there is a package of it.
    if [ "$package" = chromium ] && [ -n "$(apt-cache madison chromium-headless-shell)" ]; then
        package=chromium-headless-shell
    fi
    echo "Installing $package ..."
    if [ "$package" = promtool ]; then
        install_promtool
        continue
    fi
    if ! apt-get install -y --no-install-recommends "$package" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "NOT INSTALLED: $package - apt-get failed, its last lines stand above" >&2
    fi
done
rm -f "$log"
have_chromium || echo "NOT INSTALLED: a Chromium that runs - the tests that need it are skipped" >&2
