#!/usr/bin/env bash
# A shop, small enough to read.

set -euo pipefail

source "$(dirname "$0")/stock.sh"
. ./pay.sh

# The most items one basket holds.
readonly ITEMS_MAX=10
export CURRENCY="EUR"
declare -A prices=([apple]=3)
here=$(pwd)

# Adds one item.
# Full baskets refuse.
add() {
  local item="$1"
  if (( ${#items[@]} >= ITEMS_MAX )); then
    fail "no room for $item"
  fi
  items+=("$item")
}

function fail {
  printf '%s\n' "$1" >&2
  exit 1
}

function shop::checkout() (
  inner() { add "$1"; }
  inner apple | tee log.txt
)

if [[ -n "${DEBUG:-}" ]]; then
  debug() { echo "$@"; }
fi

alias ll='ls -l'

main() {
  add apple
  shop::checkout "$@"
}

main "$@"
