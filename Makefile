# The commands of this project; `make help` lists them. GNU make 3.81 suffices.
PYTHON_RUN := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help
help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile \
	    | awk '{ name = $$1; $$1 = ""; printf "  make %-9s%s\n", name, $$0 }'
	@echo
	@echo '  Settings are environment variables: .env.example names them, docs/starting.md tells more.'

.PHONY: setup
setup:
	@scripts/venv.sh requirements.txt
	@scripts/assets.sh

.PHONY: setupdev
setupdev:
	@scripts/venv.sh requirements-dev.txt
	@scripts/assets.sh

.PHONY: tools
tools:
	@scripts/venv.sh requirements-tools.txt .venv-tools

.PHONY: run
run: setup ## start the portal here: servers, web, worker, beat (Ctrl-C stops it)
	@exec $(PYTHON_RUN) -m omlsaas.launcher

.PHONY: demo-aws
demo-aws: setupdev ## the portal with a simulated AWS account, to install and watch a tenant
	@exec $(PYTHON_RUN) -m demo

.PHONY: services
services: setup ## start only the embedded PostgreSQL and Valkey, for development
	@exec $(PYTHON_RUN) -m omlsaas.launcher services

.PHONY: test
test: setupdev ## run the tests; a part of them: make test ARGS="tests/unit -k name"
	@exec $(PYTHON_RUN) tests/run_tests.py $(ARGS)

.PHONY: lint
lint: setupdev tools ## check style, house rules, texts, shell scripts and HCL
	@scripts/lint.sh

.PHONY: format
format: setupdev ## put Python and HCL into their standard form, renew the tables of HCL
	@$(PYTHON_RUN) -m ruff check --fix-only --quiet .
	@$(PYTHON_RUN) -m ruff format .
	@if command -v terraform >/dev/null 2>&1; then \
	    TF_CLI_CONFIG_FILE=/dev/null terraform fmt -recursive hcl_template; fi
	@$(PYTHON_RUN) scripts/hcl_docs.py

.PHONY: ci
ci: lint test ## what the continuous integration runs: lint and test

.PHONY: bench
bench: setupdev ## measure the figures; one of them: make bench ONLY=name
	@exec $(PYTHON_RUN) -m bench $(if $(ONLY),--only $(ONLY))

.PHONY: shot
shot: setupdev ## make the README's picture from a running portal
	@$(PYTHON_RUN) scripts/shot.py

.PHONY: lock
lock: setupdev ## compile the pinned requirements and package-lock.json; newer ones: UPGRADE=1
	@scripts/lock.sh

.PHONY: clean
clean: ## remove what set-up made; your data in var/ stays
	rm -rf .venv .venv-tools node_modules static/vendor .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
