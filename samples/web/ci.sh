#!/usr/bin/env bash
# What the tests of this folder need on a bare Debian machine: Node, npm, Chromium, and the packages of
# package-lock.json. The tests themselves run with the others: pytest tests/web/test_web.py
set -euo pipefail
cd "$(dirname "$0")"

missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi
npm ci --no-audit --no-fund
