# The commands of a visitor. Each does all of its own set-up; a second run reuses everything.
#   make certify [ARGS="--out DIR"]   kill a live volume's site, boot a VM from the blob, certify
#   make test                         lint, types, architecture and every test, with coverage
#   make setup                        the set-up alone; then .venv/bin/mountproof is there
#   make fresh                        set-up, doctor and one proof inside a brand-new Debian root
#   make lock                         renew the lock files

.PHONY: certify test setup fresh lock
.DEFAULT_GOAL := certify
ARGS ?=

# The first of these that is new enough and can make a virtual environment. The distribution's own
# comes first: it runs the simulator some 18 % faster than one that pyenv builds by default.
PYTHON ?= /usr/bin/python3 python3

# A minimal Debian has no python3 yet; everything else is installed by harness.provision.
PROVISION = { command -v python3 >/dev/null || { apt-get update -q && apt-get install -y -q \
	--no-install-recommends python3 python3-venv ca-certificates; }; } && \
	for python in $(PYTHON); do if $$python -c \
	'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; done \
	&& $$python -m harness.provision

setup:
	@$(PROVISION) setup

# Without the compiled simulator: compiling takes longer than what it saves in one certification.
# The last line tells the exit code, since make itself ends with 2 whatever the command's was. An
# interrupt is the command's to handle; the shell waits for it, so that the line comes then too.
certify:
	@trap : INT TERM; code=0; { $(PROVISION) lab && .venv/bin/mountproof certify $(ARGS); } || code=$$?; \
	echo "exit code: $$code"; exit $$code

test: setup
	@.venv/bin/tox run

fresh:
	@$(PROVISION) fresh

lock:
	@$(PROVISION) lock
