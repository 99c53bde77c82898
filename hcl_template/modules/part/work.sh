#!/bin/sh
# Makes or removes one part of a lab stack: takes its time, prints, fails when told so and
# leaves one line in the ledger. Values come by the environment; $1 is create or destroy.
set -eu

sleep_ms() {
    [ "$1" -gt 0 ] || return 0
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# Prints lines as fast as it can, each with another number, time, id and address.
flood() {
    awk -v lines="$1" -v stack="$PART_STACK" 'BEGIN {
        srand(1)
        for (n = 1; n <= lines; n++) {
            ms = n * 7
            printf "line %d of %d %02d:%02d:%02d.%03d %s call=%06x%06x from 10.%d.%d.%d in %d ms\n",
                n, lines, int(ms / 3600000) % 24, int(ms / 60000) % 60, int(ms / 1000) % 60,
                ms % 1000, stack, int(rand() * 16777216), int(rand() * 16777216),
                int(rand() * 256), int(rand() * 256), int(rand() * 256), int(rand() * 900)
        }
    }'
}

now_us() {
    # No nanoseconds on every system: then the last six digits are zero.
    moment=$(date +%s%N)
    case $moment in
        *N) echo "${moment%N}000000" ;;
        *) echo $((moment / 1000)) ;;
    esac
}

# Prints numbered lines at a set pace, each with the time of its printing in microseconds. The
# clock says how many are due, so a late wake-up does not slow the whole down.
paced() {
    lines=$1 pause_us=$2 printed=0 due=1
    began=$(now_us)
    now=$began
    while [ "$printed" -lt "$lines" ]; do
        while [ "$printed" -lt "$due" ] && [ "$printed" -lt "$lines" ]; do
            printed=$((printed + 1))
            echo "line $printed of $lines t=$now $PART_STACK"
        done
        sleep 0.05
        now=$(now_us)
        due=$(((now - began) / pause_us + 1))
    done
}

sleep_ms "${PART_MILLIS:-0}"

if [ "${PART_LINES:-0}" -gt 0 ]; then
    if [ "${PART_PAUSE_US:-0}" -gt 0 ]; then
        paced "$PART_LINES" "$PART_PAUSE_US"
    else
        flood "$PART_LINES"
    fi
fi

if [ -n "${PART_FAILS:-}" ]; then
    echo "$PART_NAME of $PART_STACK fails because fail_resource names it" >&2
    exit 1
fi

if [ -n "${PART_LEDGER:-}" ]; then
    # One printf is one write; in append mode lines of parallel parts never mix.
    printf '%s %s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$PART_STACK" "$PART_ADDRESS" "$1" \
        >>"$PART_LEDGER"
fi
