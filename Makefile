# The commands a person types: `make run` and `make test` each do all their own set-up. How each step is done stands in
# .make/; what a build needs to know stands in .cargo/config.toml, so that `cargo` alone builds the very same things.
.PHONY: help run test soak bench bench-step eval-edits parity setup assets test-editors test-pages clean

# The folder to index and to ask about.
WORKSPACE ?= $(CURDIR)

# Where the exercises of `make eval-edits` lie, as OWNER+NAME; what is missing is cloned into it.
REPOS ?= $(CURDIR)/target/repos
# How many of each track are done.
EXERCISES ?= 20

# The tests build the binary with the scripted model into a folder of their own, so that the user's binary is never
# replaced. Compiled crates are shared all the same: they lie in the build-dir, not here.
TEST_DIR := $(CURDIR)/target/scripted
TEST_BUILD := --release --features familiar/scripted --target-dir $(TEST_DIR)
TEST_BIN := $(TEST_DIR)/release/familiar
# A home of their own, so that a daemon of the user's never sees a test.
TEST_HOME := FAMILIAR_HOME=$(CURDIR)/target/test-home FAMILIAR_MODELS=$(CURDIR)/target/models

# Checks the types of the VS Code client, bundles and packages it, when something it is made from is newer.
VSCODE_CLIENT := .make/npm-build editors/vscode out/packaged package.json tsconfig.json .vscodeignore README.md src walkthrough

help:
	@echo 'make run [WORKSPACE=DIR]  set up, build, bring the starter model, serve DIR (this folder if none)'
	@echo 'make test                 set up and run every check and test'
	@echo 'make soak                 fuzz the index, answers and protocol at full size, for about two hours, into tests/bench/results/soak.md'
	@echo 'make bench                measure, side by side, into tests/bench/results'
	@echo 'make eval-edits           have the starter model do public exercises in two forms, and read recorded answers again,'
	@echo '                          into tests/eval/results/edits.md; REPOS=DIR holds them, else they are cloned;'
	@echo '                          EXERCISES=N of each track (20)'
	@echo 'make parity [PARITY_PYTHON=FILE]  make the references of the image engine anew with torch (6 GB), then compare'
	@echo 'make bench-step           measure one step of models of real sizes against torch (6 GB, and 20 GB of models)'
	@echo 'make setup                install what a build needs, and nothing else'
	@echo 'make assets               build the style sheet and scripts of the web pages'
	@echo 'make test-editors         bring VS Code as code-server (1.2 GB) and play tests/e2e/vscode in it'
	@echo 'make test-pages           play tests/e2e/pages in a Chromium: images, made by a tiny model, from page to page'
	@echo 'make clean                remove what was built here (target/, web assets, editor client)'

run:
	@test -d "$(WORKSPACE)" || { echo 'WORKSPACE=$(WORKSPACE) is not a folder' >&2; exit 1; }
	@$(MAKE) --no-print-directory assets
	cargo build --release --workspace --bin familiar
	target/release/familiar models pull starter
	@exec target/release/familiar serve --workspace "$(WORKSPACE)"

test: assets
	@.make/editors
	@$(VSCODE_CLIENT)
	@.make/sources django
	@.make/optional fmt cargo fmt --all --check
	@.make/optional clippy cargo clippy --workspace --all-targets $(TEST_BUILD) -- --deny warnings
	cargo build --workspace --bins --tests --examples $(TEST_BUILD)
	$(TEST_HOME) $(TEST_BIN) models pull starter
	FAMILIAR_BIN=$(TEST_BIN) FAMILIAR_TEST_MODEL=$(CURDIR)/target/models/starter.gguf \
	FAMILIAR_TEST_DJANGO=$(CURDIR)/target/django FAMILIAR_TEST_EDITORS=$(CURDIR)/target/editors/bin \
	cargo test --workspace --no-fail-fast $(TEST_BUILD)

# 1,000 desks of 100 edits each, 10,000 sequences of events, 200,000 answers of models, which is 800,000 where only a panic
# would be wrong, and 1,000,000 messages of hostile clients; the tests run a sample of the same. The program sets its
# allocator itself; a test that watches memory is given the same settings, as on two cores.
soak: setup
	@rm -f tests/bench/results/soak.md
	FAMILIAR_SOAK_DESKS=1000 FAMILIAR_SOAK_SEQUENCES=10000 \
	FAMILIAR_SOAK_RESULTS=$(CURDIR)/tests/bench/results/soak.md \
	cargo test --workspace $(TEST_BUILD) --test index -- fuzz --nocapture
	FAMILIAR_SOAK_ANSWERS=200000 FAMILIAR_SOAK_RESULTS=$(CURDIR)/tests/bench/results/soak.md \
	cargo test --workspace $(TEST_BUILD) --test edits -- properties --nocapture
	MALLOC_ARENA_MAX=4 MALLOC_TRIM_THRESHOLD_=1048576 MALLOC_MMAP_THRESHOLD_=262144 \
	FAMILIAR_SOAK_MESSAGES=1000000 FAMILIAR_SOAK_RESULTS=$(CURDIR)/tests/bench/results/soak.md \
	cargo test --workspace $(TEST_BUILD) --test hostile -- no_client_harms_the_server --nocapture

bench: assets
	@.make/sources django
	@.make/sources flask
	cargo build --workspace --bins $(TEST_BUILD)
	$(TEST_HOME) $(TEST_BIN) models pull starter
	@for part in index fresh decode daemon images; do \
		FAMILIAR_BIN=$(TEST_BIN) $(TEST_DIR)/release/bench $$part target/django target/models/starter.gguf \
			tests/bench/results || exit 1; \
	done
	cargo bench --workspace --features familiar/scripted --target-dir $(TEST_DIR) --bench session --bench gallery -- \
		$(CURDIR)/tests/bench/results

# Apart from the tests: what a small model says is no matter of right or wrong.
eval-edits: assets
	cargo build --workspace --bins $(TEST_BUILD)
	$(TEST_HOME) $(TEST_BIN) models pull starter
	@$(TEST_HOME) .make/eval-edits $(TEST_BIN) "$(REPOS)" $(EXERCISES)

# Needs Python packages of 6 GB, so it is run by hand, when a version is taken or a case is added; what it makes is
# committed, and `make test` compares with that. PARITY_PYTHON names an interpreter that has the packages already.
parity:
	@PARITY_PYTHON=$(PARITY_PYTHON) .make/parity make.py
	cargo test --release -p paint --test parity -- --nocapture

# The models that it makes take 20 GB of disk, and one of them 11 GB of memory.
bench-step:
	@PARITY_PYTHON=$(PARITY_PYTHON) .make/parity step.py target/step
	cargo bench -p paint --bench step -- $(CURDIR)/target/step $(CURDIR)/tests/bench/results

setup:
	@.make/setup

assets: setup
	@.make/npm-build server/web/assets dist/app.css package.json build.js src ../templates

# Neovim and Helix are part of `make test`; VS Code is a heavy download and has a lane of its own.
test-editors: assets
	@.make/code-server
	@$(VSCODE_CLIENT)
	@.make/npm-build tests/e2e/vscode node_modules/.checked package.json tsconfig.json src
	cargo build --workspace --bin familiar $(TEST_BUILD)
	FAMILIAR_BIN=$(TEST_BIN) target/code-server/node/bin/node tests/e2e/vscode/src/run.ts

# A browser is no part of what `make test` brings.
test-pages: assets
	@.make/browser >/dev/null
	@.make/npm-build tests/e2e/pages node_modules/.checked package.json tsconfig.json src ../vscode/src/until.ts ../vscode/src/results.ts
	cargo build --workspace --bin familiar $(TEST_BUILD)
	FAMILIAR_BIN=$(TEST_BIN) FAMILIAR_BROWSER="$$(.make/browser)" NODE_MAJOR_MIN=24 \
	.make/with-node node tests/e2e/pages/src/run.ts

clean:
	rm -rf target server/web/assets/dist server/web/assets/node_modules editors/vscode/out editors/vscode/*.vsix \
		editors/vscode/node_modules tests/e2e/vscode/node_modules tests/e2e/pages/node_modules
