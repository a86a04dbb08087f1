# make help lists what there is to make. Everything runs in .venv, which is made first and is remade when a version changes.

# PYTHON: 3.11 or newer. PORT: where make serve listens. JOBS: processes for the unit tests.
PYTHON ?= python3
PORT ?= 8000
JOBS ?= 2

BIN := .venv/bin
INSTALLED := .venv/installed
JUPYTER_BOOK := $(BIN)/jupyter-book build -W -n --keep-going
SITE := book/_build/html
# The tests build their own site from a copy of the book whose notebooks pytest has executed.
TESTED := build/book
STUDENT := build/student
PRINT := $(BIN)/python book/_ext/pdf.py

# One thread for each test process: many small tensors gain nothing from more.
UNITS := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --doctest-modules nbhelpers tests
# What changes the last digits from machine to machine: threads, and the vector units that PyTorch and oneDNN use.
SETTINGS := OMP_NUM_THREADS=1 OMP_NUM_THREADS=2 ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=SSE41
# All unit tests that compute: not those of pages and packages, of archives, of figures and of worker processes.
COMPUTE := $(filter-out $(addprefix tests/test_,$(addsuffix .py, \
	about alone chapter_shape notation notebooks packaging student teaching \
	coco crops cub download folder image_sets tiny_imagenet \
	colours show show_attack_flat show_attacks show_flat show_many show_regions show_save show_text take_it_with_you cluster)), $(wildcard tests/test_*.py))

# A row of the paper's tables at its own sizes, from DATA (archive or folder), by pieces of MINUTES; files go to OUT.
# Importance is left out: its Shapley values may take longer than a piece, which would then never end.
ROW ?= cub
OUT ?= build/paper
MINUTES ?= 8
EXPERIMENTS ?= samples regions attacks students
WEIGHTS ?= torchvision
START = $(if $(WEIGHTS),--weights $(WEIGHTS))
PAPER_cub = --dataset cub --network resnet34 $(START)
PAPER_coco = --dataset coco --network resnet50 $(START)
PAPER_tiny-imagenet = --dataset tiny-imagenet --network vgg16
PAPER_cub-resnet34 = $(PAPER_cub)
PAPER_coco-resnet50 = $(PAPER_coco)
PAPER_tiny-imagenet-vgg16 = $(PAPER_tiny-imagenet)
PAPER_tiny-imagenet-resnet34 = --dataset tiny-imagenet --network resnet34
PAPER_tiny-imagenet-mobilenet_v2 = --dataset tiny-imagenet --network mobilenet_v2 $(START)

.PHONY: help book serve pdf student test test-quick test-units test-notebooks test-site test-lab test-portable bench paper-gpu clean

help:
	@echo "make book           execute the chapters and build the site in $(SITE)"
	@echo "make serve          the same, and serve it on http://127.0.0.1:$(PORT) (PORT=...)"
	@echo "make pdf            the site, and each chapter as a PDF in it (needs a browser)"
	@echo "make student        the chapters without solutions, in $(STUDENT)"
	@echo "make test           unit tests, notebooks, the built site and JupyterLab in a browser"
	@echo "make test-quick     the unit tests that are not slow, for daily work: three minutes"
	@echo "make test-portable  the tests that compute, as if on other processors and with other numbers of threads"
	@echo "make bench          print the speed ratios of tests/benchmarks"
	@echo "make paper-gpu      one row of the paper at its own sizes, for MINUTES=$(MINUTES): again, until $(OUT)/ROW.json is there"
	@echo "                    (ROW=cub, coco, tiny-imagenet or as tiny-imagenet-resnet34; DATA=, OUT=, WEIGHTS=, EXPERIMENTS=)"
	@echo "make clean          remove everything built, except .venv"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[book,test]'
	@touch $@

book: $(INSTALLED)
	$(JUPYTER_BOOK) book
	@echo "The book: file://$(CURDIR)/$(SITE)/index.html (or: make serve)"

serve: book
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

# The pages then offer what is printed.
pdf: export NBBOOK_PDF := 1
pdf: book
	$(PRINT) $(SITE)

student: $(INSTALLED)
	$(BIN)/python book/_ext/student.py $(STUDENT)

test: test-units test-notebooks test-site test-lab

test-units: $(INSTALLED)
	$(UNITS) -m 'not browser and not lab'

test-quick: $(INSTALLED)
	$(UNITS) -m 'not slow and not browser and not lab'

test-portable: $(INSTALLED)
	@failed=; for setting in $(SETTINGS); do \
		echo "== $$setting"; \
		env OMP_NUM_THREADS=1 $$setting $(BIN)/pytest -n $(JOBS) --doctest-modules nbhelpers $(COMPUTE) || failed="$$failed $$setting"; \
	done; [ -z "$$failed" ] || { echo "failed under:$$failed"; exit 1; }

test-notebooks: export NBBOOK_PDF := 1
test-notebooks: $(INSTALLED)
	rm -rf $(TESTED)
	mkdir -p $(TESTED)
	tar -c --exclude _build -C book . | tar -x -C $(TESTED)
	$(BIN)/pytest --nbmake --nbmake-timeout=600 --overwrite $(TESTED)
	sed 's/execute_notebooks: .*/execute_notebooks: "off"/' book/_config.yml > $(TESTED)/_config.yml
	$(JUPYTER_BOOK) $(TESTED)
	$(PRINT) $(TESTED)/_build/html

test-site: test-notebooks
	$(BIN)/pytest -n $(JOBS) --dist loadfile tests/site

test-lab: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/lab

bench: $(INSTALLED)
	@for benchmark in tests/benchmarks/*.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; done

# A piece that is out of time ends with 75: it did what it should.
paper-gpu: $(INSTALLED)
	$(if $(PAPER_$(ROW)),,$(error there is no ROW=$(ROW); there are $(patsubst PAPER_%,%,$(filter PAPER_%,$(.VARIABLES)))))
	$(BIN)/nbhelpers reproduce $(PAPER_$(ROW)) --preset paper --experiments $(EXPERIMENTS) $(if $(DATA),--data $(DATA)) \
		--workspace $(OUT) --minutes $(MINUTES) --out $(OUT)/$(ROW).json || [ $$? -eq 75 ]

clean:
	rm -rf book/_build build dist .pytest_cache .ruff_cache .hypothesis
