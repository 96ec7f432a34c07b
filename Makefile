# The two commands that matter: `make run` and `make test`.

.DEFAULT_GOAL := help
.PHONY: help run build test check-fmt fmt lint deny webui engine bench clean

# ENGINE=0: `make test` without the real model server (nothing is fetched).
ENGINE ?= 1

help: ## Lists these targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: ## Builds and serves ./config.yaml; without one, the demo with small real models.
	@demo/run.sh

build: ## Builds the program (release).
	cargo build --release --bin llm-manager

test: check-fmt lint deny webui engine ## Everything that has to be true: fmt, clippy, deny, all tests.
	CI_REQUIRE_ENGINE=$(ENGINE) tests/run.sh

check-fmt:
	cargo fmt --all --check

fmt: ## Formats the sources.
	cargo fmt --all

lint: ## Runs clippy; a warning is an error.
	cargo clippy --workspace --all-targets -- -D warnings

deny: ## Checks the licences and origins of everything that is linked in.
	@if cargo deny --version > /dev/null 2>&1; then \
	  cargo deny check licenses bans sources; \
	else \
	  echo "cargo-deny isn't installed (cargo install --locked cargo-deny): licences are not checked"; \
	fi

webui: ## Checks the dashboard's types and rules and runs its tests, if Node is there.
	@if command -v npm > /dev/null 2>&1; then \
	  cd webui && npm install --no-audit --no-fund --loglevel=error && npm run --silent check; \
	else \
	  echo "npm isn't installed: the dashboard is not checked"; \
	fi

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
