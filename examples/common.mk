# What the Makefiles of the examples share: model -> C -> object file -> program. An example sets, before it includes this:
#   NAME       of the program
#   MODEL      a model of tests/zoo.json
#   PREFIX     of the emitted files and functions
#   CTC_FLAGS  for `ctc compile`
# Everything is made in build/examples/NAME; the model is fetched into zoo-cache/.

ROOT   := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
OUT    ?= $(ROOT)/build/examples/$(NAME)
CTC    ?= $(ROOT)/build/ctc
CACHE  ?= $(or $(ZOO_CACHE),$(ROOT)/zoo-cache)
PYTHON ?= $(ROOT)/.venv/bin/python
CFLAGS ?= -O2
ifeq ($(origin CC),default)
CC     := gcc
endif
STRICT := -std=c99 -Wall -Wextra -Wconversion -pedantic

# Commands are shown as people would type them in this folder.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all fetch clean
.SUFFIXES:

all: $(OUT)/$(NAME)

fetch: $(CACHE)/$(MODEL).onnx

$(CACHE)/$(MODEL).onnx:
	$(PYTHON) ../fetch.py --to $(CACHE) $(MODEL) $(ALSO:%=--also %)

# 1. the model becomes C
$(OUT)/$(PREFIX).c: $(CACHE)/$(MODEL).onnx $(CTC)
	@mkdir -p $(OUT)
	$(CTC) compile $< -o $@ --prefix $(PREFIX) $(CTC_FLAGS)

$(OUT)/$(PREFIX).h: $(OUT)/$(PREFIX).c ;

# 2. the C becomes an object file: any C compiler, no library
$(OUT)/$(PREFIX).o: $(OUT)/$(PREFIX).c
	$(CC) $(STRICT) $(CFLAGS) -c $< -o $@

# 3. with the few lines around it, a program
$(OUT)/$(NAME): $(SOURCES) $(HEADERS) $(OUT)/$(PREFIX).o $(OUT)/$(PREFIX).h
	$(CC) $(STRICT) $(CFLAGS) -I$(OUT) $(SOURCES) $(OUT)/$(PREFIX).o -o $@ -lm

clean:
	rm -rf $(OUT)
