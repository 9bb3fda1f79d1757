# `make run` and `make test` install whatever is missing, then do what they say; when nothing is missing they lose no time.

.PHONY: help run test test-postgresql check features docs bench lock soak-planner soak-executor soak

# Tests wait for kills, polls and servers more than they work: one process more than there are cores, and at most 4.
WORKERS := $(shell cores=$$(nproc); echo $$((cores < 4 ? cores + 1 : 4)))

help:
	@echo 'make run       show Argosy at work: a project tree goes from London to Dublin'
	@echo 'make test      run all tests (as root: many need mounts and trusted attributes)'
	@echo 'make test-postgresql  run the tests of the hub on PostgreSQL (make test runs a quarter of them there)'
	@echo 'make check     formatting, lint, types and the direction of imports'
	@echo 'make features  which promised behaviours the last test run proved'
	@echo 'make docs      renew docs/reference from the code'
	@echo 'make bench     list the benchmarks'
	@echo 'make soak-planner [CASES=1000000] [START=0]  random histories for the sync planner, on every core'
	@echo 'make soak-executor [SECONDS=600] [SEED=0] [DIR=/mnt/disk]  the same on real trees, with kills, for the executor'
	@echo 'make soak [MINUTES=10] [SEED=0]  syncs of whole Argosies, with users that never stop, and kills'
	@echo 'make lock      renew requirements*.lock'

run:
	@tools/setup run
	@.venv/bin/python tools/demo.py

test:
	@tools/setup test
	@.venv/bin/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-postgresql:
	@tools/setup test
	@ARGOSY_TESTS_DATABASE=postgresql .venv/bin/pytest tests/hub --ignore tests/hub/test_on_postgresql.py --numprocesses $(WORKERS) --dist loadfile

check:
	@tools/setup check
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

features:
	@tools/setup check
	@.venv/bin/python tools/features.py

docs:
	@tools/setup check
	@.venv/bin/python tools/reference.py

bench:
	@for file in $(filter-out bench/measure.py,$(wildcard bench/*.py)); do printf '.venv/bin/python %s\n    ' "$$file"; sed -n '1s/"""//gp' "$$file"; done

soak-planner:
	@tools/setup test
	@.venv/bin/python -m tests.sync.planner.soak $(or $(CASES),1000000) $(or $(START),0)

soak-executor:
	@tools/setup test
	@.venv/bin/python -m tests.sync.executor.soak $(or $(SEED),0) $(or $(SECONDS),600) $(DIR)

soak:
	@tools/setup test
	@.venv/bin/python -m tests.flows.syncing.soak $(or $(SEED),0) $(or $(MINUTES),10)

lock:
	@tools/lock
