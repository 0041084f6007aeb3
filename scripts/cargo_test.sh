#!/bin/sh
# All tests of the workspace, real services included: those of "cargo test --workspace", after building the programs that
# they start. Tests mostly wait for other processes, so several test binaries run at once (LANES=N says how many), and
# several tests of each (RUST_TEST_THREADS=N). All of them run, whatever fails; what each binary says is kept in
# target/tests, and the output ends with the tests that failed and the sums.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

# A test program keeps two processors busy; with fewer for each, the time limits of the services themselves are missed.
LANES=${LANES:-$((($(nproc) + 1) / 2))}
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
SAID=$PWD/target/tests
export RUST_TEST_THREADS SAID
rm -rf "$SAID"
mkdir -p "$SAID"

# Programs and tests in one build: apart, the libraries that they share would be built twice, with different features.
cargo build --locked --workspace --bins --tests --message-format=json-render-diagnostics >"$SAID/built.json"
# The directory of each package and its binary; first those over several programs, which take longest.
artifact='^{"reason":"compiler-artifact",.*"manifest_path":"\([^"]*\)\/Cargo.toml",.*"profile":{[^}]*"test":true},.*"executable":"\([^"]*\)".*'
sed -n "s/$artifact/\1 \2/p" "$SAID/built.json" >"$SAID/all"
{ grep '/tests ' "$SAID/all"; grep -v '/tests ' "$SAID/all"; } >"$SAID/binaries"
[ -s "$SAID/binaries" ] || fail "cargo names no test binary in $SAID/built.json"

status=0
xargs -P "$LANES" -L 1 scripts/test_binary.sh <"$SAID/binaries" || status=1
cargo test --locked --workspace --doc --quiet || status=1

awk '
    FNR == 1 { binary = FILENAME; gsub(/^.*\/|\.log$/, "", binary) }
    # The beginning of what the first tests say that failed.
    /^---- / && ++shown <= 4 { left = 12; print "" }
    /^failures:$/ || /^test result: / { left = 0 }
    left-- > 0 { print }
    /^test .* FAILED$/ { failures = failures "FAILED " binary ": " $2 "\n" }
    /^FAILED / { failures = failures $0 "\n" }
    /^test result: / { passed += $4; failed += $6 }
    END { printf "\n%s%d passed, %d failed\n", failures, passed, failed }
' "$SAID"/*.log
exit "$status"
