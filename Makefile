# Needs make and Python 3.11-3.13, nothing else: everything is installed into .venv below this folder.

# The name of the stamp is the content of the two files that decide what is installed: the set-up is done
# again when they change, and only then.
KEY := $(shell cat requirements.txt pyproject.toml tools/environment.sh | cksum | cut -d ' ' -f 1)
READY := .venv/ready-$(KEY)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
NBVAL := --nbval-lax --nbval-cell-timeout=900 -n 2 --dist loadfile
# TensorFlow's notes at its start are no result.
export TF_CPP_MIN_LOG_LEVEL = 3

.PHONY: help book html test browser-test check lint lab release stamp bench pages costs colab-test clean distclean
.DEFAULT_GOAL := help

help:
	@echo 'make book    build the book and show it in a browser'
	@echo 'make html    build it only, into _build/html'
	@echo 'make test    tests: style, units on TensorFlow and JAX, notebooks, the strict build, pages in a browser, grading'
	@echo 'make browser-test   of these, the built pages and live figures in a browser'
	@echo 'make check   what to run all day: style and fast unit tests'
	@echo 'make lab     open the notebooks in JupyterLab'
	@echo 'make release write the exercise notebooks anew out of book/solutions'
	@echo 'make stamp   write the address in _config.yml into the notebooks, for Colab;'
	@echo '             URL=... BRANCH=... REF=... set another one'
	@echo 'make bench   speed of aecore beside hand-written loops (and PyTorch where it is installed)'
	@echo 'make pages   speed and weight of the pages and the live figures; Lighthouse where it is installed'
	@echo 'make costs   run every notebook and note its time and memory (profile: AECORE_PROFILE, quick)'
	@echo 'make colab-test   the chapters in an environment with the versions that Colab has'
	@echo 'make clean   remove the built book; make distclean removes the environment too'
	@echo 'AECORE_PROFILE=full make book   the same with the published data sets, as on the site'

$(READY):
	sh tools/environment.sh .venv
	@rm -f .venv/ready-*
	@touch $@

book: $(READY)
	$(BIN)/python tools/build.py --serve

html: $(READY)
	$(BIN)/python tools/build.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check: lint
	KERAS_BACKEND=tensorflow $(PYTEST) -n 2 -m 'not slow'

test: check
	KERAS_BACKEND=jax $(PYTEST) -n 2 -m 'not slow and not any_backend'
	AECORE_PROFILE=quick $(PYTEST) -p tools.recording $(NBVAL) book/*.ipynb book/exercises/*.ipynb book/solutions/*.ipynb
	$(BIN)/python tools/build.py
	$(PYTEST) -m slow -n 2 --dist worksteal --ignore tests/test_grading.py
	$(PYTEST) -m slow tests/test_grading.py

browser-test: html
	$(PYTEST) -n 2 --dist worksteal -m slow tests/test_live*.py tests/test_pages.py tests/test_learn.py tests/test_train_in_page.py tests/test_quiz.py

lab: $(READY)
	$(BIN)/jupyter lab book

release: $(READY)
	$(BIN)/python tools/release.py

stamp: $(READY)
	$(BIN)/python tools/stamp.py $(if $(URL),--url '$(URL)') $(if $(BRANCH),--branch '$(BRANCH)') $(if $(REF),--ref '$(REF)')

bench: $(READY)
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/vae_speed.py
	$(BIN)/python benchmarks/gan_speed.py
	$(BIN)/python benchmarks/crf_speed.py
	$(BIN)/python benchmarks/slots_speed.py

pages: html
	$(BIN)/python benchmarks/live.py
	$(BIN)/python benchmarks/pages.py

costs: $(READY)
	$(BIN)/python benchmarks/notebooks.py

colab-test: $(READY)
	AECORE_COLAB_TEST=1 $(PYTEST) -m slow -k colab_versions -s tests/test_book.py

clean:
	rm -rf _build .pytest_cache .ruff_cache

distclean: clean
	rm -rf .venv
