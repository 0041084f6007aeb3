# Targets are short names for scripts/; "make help" lists them.
.DEFAULT_GOAL := help
.PHONY: help run test check build lint fmt schema bench soak image install uninstall dev-db fresh-machine clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and run everything until Ctrl-C
	@exec scripts/run.sh

test: ## Install what is missing, then run all checks and tests: what CI runs
	@exec scripts/test.sh

check: lint ## All checks and tests, without installing anything
	@exec scripts/cargo_test.sh

build: ## Build all programs
	@exec cargo build --locked --workspace --bins

lint: ## Formatting, clippy, documentation, shell scripts, JavaScript types
	@exec scripts/lint.sh

fmt: ## Format the Rust code
	@exec cargo fmt --all

schema: ## Write schema.rs anew from the migrations
	@exec scripts/schema.sh

bench: ## Measure everything against the limits of the machine; groups: scripts/bench.sh
	@exec scripts/bench.sh

soak: ## Try the image, break everything at random and check: ROUNDS=1000 SEED=0
	@exec scripts/soak.sh "$(or $(ROUNDS),1000)" "$(or $(SEED),0)"

image: ## Build the container image without Docker and walk through it (as root)
	@exec scripts/image.sh

# Their variables are told in scripts/install.sh.
export PREFIX LIBDIR DESTDIR PROGRAMS

install: ## Install a release into PREFIX=/usr/local/manager (below DESTDIR=); changed files in etc/ are kept
	@exec scripts/install.sh install

uninstall: ## Remove what "make install" installed, and keep what people wrote
	@exec scripts/install.sh uninstall

dev-db: ## Start an empty throw-away PostgreSQL and print its URL
	@exec cargo run --locked --quiet --bin selfservice_run -- database

fresh-machine: ## Try "make run" and "make test" in a new minimal Debian (as root)
	@exec scripts/fresh_machine.sh

clean: ## Remove what was built; the data in var/ stay
	@exec cargo clean
