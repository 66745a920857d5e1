# The short names of what one does here. `make check` is what a review runs.

PYTHON := .venv/bin/python
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

SUPPLY := .venvs/supply

.PHONY: sbom audit check test format lint types golden docs lock bench bench-results guard guard-update soak fuzz fuzz-keep clean

check:  ## everything: format, lint, types, scripts, all tests, coverage
	./run_tests.sh

test:  ## the quick tests
	$(PYTHON) -m pytest -q -m "not slow"

format:  ## rewrite the files in the one format
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

golden:  ## rewrite the expected files of tests/golden; read the diff before committing it
	$(PYTHON) -m pytest -q tests/test_golden.py --update-golden

docs:  ## rewrite the generated pages of docs/
	$(PYTHON) docs/generate.py

clients:  ## install every client there are tests with, run them, and write the tables of docs/clients.md
	$(PYTHON) tests/clients/install.py
	$(PYTHON) -m pytest -q -p tests.clients.table tests/sdk tests/clients tests/claude_code

lock:  ## resolve the requirements anew; `make lock UPGRADE=--upgrade` takes the newest of all
	$(COMPILE) pyproject.toml --output-file requirements/base.txt
	$(COMPILE) --all-extras pyproject.toml requirements/dev.in --constraint requirements/base.txt --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml requirements/setup.in --output-file requirements/setup.txt
	$(COMPILE) requirements/litellm.in --output-file requirements/litellm.txt
	$(COMPILE) requirements/sdk-0.60.in --output-file requirements/sdk-0.60.txt
	$(COMPILE) requirements/sdk-1.17.in --output-file requirements/sdk-1.17.txt
	$(COMPILE) requirements/schemathesis.in --output-file requirements/schemathesis.txt
	$(COMPILE) requirements/client-agent-sdk.in --output-file requirements/client-agent-sdk.txt
	$(COMPILE) requirements/client-langchain.in --output-file requirements/client-langchain.txt
	$(COMPILE) requirements/client-llm.in --output-file requirements/client-llm.txt
	$(COMPILE) requirements/client-pydantic-ai.in --output-file requirements/client-pydantic-ai.txt
	$(COMPILE) requirements/supply.in --output-file requirements/supply.txt

soak:  ## the long forms of the fault and load tests, ten minutes: a thousand streams, faults at random for five
	THOROUGH=1 $(PYTHON) -m pytest -q -s tests/faults tests/load

FUZZ_SECONDS := 600

fuzz:  ## look for inputs that break the decoder and the translators, ten minutes each; what is found is kept in .fuzz
	@for target in sse_decoder chat_request chat_reply; do \
		mkdir -p .fuzz/$$target; \
		$(PYTHON) -m fuzz.$$target -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=.fuzz/$$target- .fuzz/$$target || exit 1; \
	done

fuzz-keep:  ## make fuzz/corpus anew: what is needed of it and of what `make fuzz` has found
	$(PYTHON) -m fuzz.keep

bench bench-results guard guard-update: | $(PYTHON)

$(PYTHON):
	./run_tests.sh --environment

bench:  ## measure the proxy beside nginx and LiteLLM, ten minutes; `make bench BENCH=--quick` takes one
	$(PYTHON) -m bench $(BENCH)

bench-results:  ## the same, and rewrite bench/RESULTS.md and the plot
	$(PYTHON) -m bench --write $(BENCH)

guard:  ## count the work of three requests and compare it with bench/guard.json; WHERE=--where shows its functions
	$(PYTHON) -m bench.guard $(WHERE)

guard-update:  ## rewrite bench/guard.json; say in the commit what the work is for
	$(PYTHON) -m bench.guard --update

sbom: $(SUPPLY)/installed.txt  ## write dist/sbom.cdx.json: what is installed with the package, by hash (CycloneDX)
	mkdir -p dist
	PYTHONWARNINGS=ignore $(SUPPLY)/bin/cyclonedx-py requirements requirements/base.txt --pyproject pyproject.toml \
		--output-reproducible --output-file dist/sbom.cdx.json

audit: $(SUPPLY)/installed.txt  ## ask for known vulnerabilities in the locks
	$(PYTHON) .ci/audit.py $(SUPPLY)/bin/pip-audit \
		requirements/base.txt requirements/dev.txt requirements/setup.txt requirements/supply.txt

$(SUPPLY)/installed.txt: requirements/supply.txt
	.venv/bin/uv venv --quiet --clear $(SUPPLY)
	UV_SYSTEM_CERTS=true .venv/bin/uv pip install --quiet --python $(SUPPLY)/bin/python --require-hashes --requirement $<
	cp $< $@

clean:  ## remove what the tools leave behind, the environments too
	rm -rf .venv .venvs .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist
