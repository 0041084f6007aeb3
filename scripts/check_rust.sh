# Says what to do where Rust is missing or too old. Sourced, because it may add cargo to PATH.
# shellcheck shell=sh

if ! command -v cargo >/dev/null && [ -x "${HOME:-/nonexistent}/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
    export PATH
fi
wanted_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! command -v cargo >/dev/null; then
    fail "Rust is missing: cargo is not in PATH. Install Rust $wanted_rust or newer with rustup, see https://rustup.rs" \
        "(the distribution's own package is too old). Where another user has it: sudo env PATH=\"\$PATH\" make ..."
fi
if ! present_rust=$(rustc --version 2>&1); then
    fail "rustc does not work: $present_rust"
fi
present_rust=$(printf '%s\n' "$present_rust" | sed -n 's/^rustc \([0-9.]*\).*/\1/p')
if [ "$(printf '%s\n%s\n' "$wanted_rust" "$present_rust" | sort -V | head -n 1)" != "$wanted_rust" ]; then
    fail "Rust $present_rust is too old, $wanted_rust or newer is needed. Run: rustup update stable" \
        "(without rustup, install it from https://rustup.rs; the distribution's own package is too old)."
fi
if [ -e target/debug/.cargo-lock ] && [ ! -w target/debug/.cargo-lock ]; then
    fail "target/ was built by $(stat -c %U target/debug/.cargo-lock) and you ($(id -un)) can't write it." \
        "Run: sudo chown -R $(id -un) target   (or work in a clone of your own)"
fi
