# The two commands that matter: `make run` and `make test`.

.DEFAULT_GOAL := help
.PHONY: help packages run build test check-fmt fmt lint windows-check macos-check windows windows-test test-all kubernetes schemathesis deny webui dashboard dist browser chaos soak matrix mutants book engine bench clean

# WINDOWS=0: `make test` doesn't check that it compiles for Windows.
WINDOWS ?= 1

# ENGINE=0: `make test` without the real model server (nothing is fetched).
ENGINE ?= 1

help: ## Lists these targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: ## Builds and serves ./config.yaml; without one, the demo with small real models.
	@demo/run.sh

build: dashboard ## Builds the program (release), with the dashboard if Node is there.
	cargo build --release --bin llm-manager

# The dashboard comes first: it is a part of what is compiled.
test: check-fmt webui lint windows-check macos-check deny engine ## Everything that has to be true: fmt, clippy, deny, all tests.
	CI_REQUIRE_ENGINE=$(ENGINE) tests/run.sh

check-fmt:
	cargo fmt --all --check

fmt: ## Formats the sources.
	cargo fmt --all

# What makes Pods brings a large library: it is compiled with its feature only. The program that `make run` builds has fewer features than
# the one that is tested, and what stands for them must compile, too; with none at all, that is left to `test-all`.
lint: ## Runs clippy; a warning is an error.
	cargo clippy --workspace --exclude llm-manager-kubernetes --all-targets --features otel -- -D warnings
	cargo clippy --bin llm-manager -- -D warnings

test-all: test windows-test chaos soak kubernetes ## What `make test` leaves out, too: Wine, the tray, Pods, chaos, an hour of load.
	cargo clippy --bin llm-manager --no-default-features -- -D warnings
	tests/tray.sh

packages: ## Builds what a release has, and tries the .deb (root, debootstrap, systemd-nspawn) and the container image (podman).
	scripts/release.sh
	packaging/debian/test.sh target/dist/llm-manager_*.deb
	packaging/container/test.sh

kubernetes: ## Clippy and tests with the feature `kubernetes`; then against a real cluster of one node, built from Debian's sources.
	cargo clippy -p llm-manager -p llm-manager-kubernetes --all-targets --features otel,kubernetes -- -D warnings
	cargo test -p llm-manager-kubernetes
	cargo test -p llm-manager --features otel,kubernetes --lib config
	tests/kubernetes.sh

windows-check: ## Runs clippy on what is compiled for Windows, if Rust's library for it is there.
ifneq ($(WINDOWS),0)
	@scripts/windows/build.sh --check
endif

# What has no C in it, so that no compiler for macOS is needed.
macos-check: ## Compiles what starts processes for macOS, if Rust's library for it is there.
	@if [ -d "$$(rustc --print sysroot)/lib/rustlib/aarch64-apple-darwin/lib" ]; then \
	  CARGO_TARGET_DIR=target/macos cargo check --quiet --target aarch64-apple-darwin -p llm-manager-process --no-default-features && \
	  CARGO_TARGET_DIR=target/macos cargo check --quiet --target aarch64-apple-darwin -p llm-manager-devices; \
	else \
	  echo "not checked for macOS: Rust's library for it isn't here (rustup target add aarch64-apple-darwin)"; \
	fi

windows: ## Builds llm-manager.exe and its zip.
	@scripts/windows/build.sh

windows-test: ## Tests llm-manager.exe under Wine.
	@scripts/windows/test.sh

deny: ## Checks the licences, origins and known vulnerabilities of everything that is linked in.
	@if cargo deny --version > /dev/null 2>&1; then \
	  cargo deny check licenses bans sources || exit 1; \
	  if cargo deny fetch db > /dev/null 2>&1; then cargo deny check advisories || exit 1; \
	  else echo "known vulnerabilities are not checked: their database can't be fetched"; fi; \
	else \
	  echo "cargo-deny isn't installed (cargo install --locked cargo-deny): licences are not checked"; \
	fi
	@scripts/audit.sh

webui: dashboard ## Checks the dashboard's types and rules, runs its tests and builds it, if Node is there.
	@if command -v npm > /dev/null 2>&1; then \
	  cd webui && npm install --no-audit --no-fund --loglevel=error && npm run --silent check; \
	else \
	  echo "npm isn't installed: the dashboard is not checked"; \
	fi

# Built only if something has changed: with a build that is up to date, nobody needs Node to run the program.
dashboard:
	@if webui/fresh.sh; then :; \
	elif command -v npm > /dev/null 2>&1; then \
	  cd webui && npm install --no-audit --no-fund --loglevel=error && npm run --silent build > /dev/null; \
	elif [ -e webui/dist/sources.sha256 ]; then \
	  echo "npm isn't installed: the dashboard is an older one than its sources"; \
	else \
	  echo "npm isn't installed: the dashboard is left out"; \
	fi

dist: dashboard ## Builds the dashboard and stages it for the commit that changes its sources.
	git add --all webui/dist

chaos: ## Ten minutes of random troubles (CHAOS_SECONDS, CHAOS_SEED); the promises are checked after each.
	CHAOS_SECONDS=$${CHAOS_SECONDS:-600} cargo test --test e2e -- --nocapture chaos::

soak: ## An hour of steady load (SOAK=24h): prints memory, files, threads, rows; fails if something grows.
	cargo build --release --bins
	python3 tests/soak.py --time $${SOAK:-1h}

schemathesis: ## Asks a real manager whatever its API's description allows and forbids (tests/schemathesis.py).
	cargo build --bins
	python3 tests/schemathesis.py

matrix: ## Tries engines and clients on the program, and writes docs/reference/compatibility.md (tests/matrix/run.py).
	cargo build --bins
	python3 tests/matrix/run.py

mutants: ## Mutation testing of the policy crate, by .cargo/mutants.toml (cargo install --locked cargo-mutants); takes hours.
	cargo mutants --package llm-manager-policy

browser: dashboard ## Runs the dashboard's tests in Chromium against the program.
	cargo test --workspace --exclude llm-manager-kubernetes --no-run --quiet
	tests/browser.sh

book: ## Builds the documentation as a book, into target/book.
	@scripts/book.sh

engine: ## Installs the real llama.cpp server, tiny models and OpenAI's clients into .engine.
ifneq ($(ENGINE),0)
	@SMALL=1 demo/install.sh .engine
	@tests/clients/install.sh .engine/clients
endif

bench: ## Measures speed against the bare backend and nginx; see bench/README.md.
	bench/run.sh

clean: ## Removes what was built and installed; keeps ./config.yaml and ./data.
	cargo clean
	rm -rf .demo .engine
