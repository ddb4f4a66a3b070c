# What the Makefiles of the examples share: models -> C -> object files -> program. An example sets, before it includes this:
#   NAME       of the program
#   PREFIXES   of the emitted files and functions, one for each model
#   CUDA_PREFIXES  of those that are emitted for a GPU besides; with NVCC=nvcc that compiles them, and the C compiler else
#   CTC_FLAGS  for `ctc compile`, CUDA_FLAGS  more of them for a GPU
#   SOURCES, HEADERS  of the program around them
# and where its models come from, either
#   MODEL      a model of tests/zoo.json, ALSO: other files of its package. There is one prefix then
# or
#   TRAIN      the command that makes PREFIX.json for each prefix, and what else TRAINED names, with the files TRAIN_NEEDS
# Everything is made in build/examples/NAME; what is fetched is kept in zoo-cache/.

ROOT   := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
OUT    ?= $(ROOT)/build/examples/$(NAME)
CTC    ?= $(ROOT)/build/ctc
CACHE  ?= $(or $(ZOO_CACHE),$(ROOT)/zoo-cache)
PYTHON ?= $(ROOT)/.venv/bin/python
# One that has PyTorch, for training: Debian's is in the package python3-torch.
TORCH_PYTHON ?= /usr/bin/python3
CFLAGS ?= -O2
ifeq ($(origin CC),default)
CC     := gcc
endif
STRICT := -std=c99 -Wall -Wextra -Wconversion -pedantic
COMPILE      = $(CC) $(STRICT) $(CFLAGS)
COMPILE_CUDA = $(if $(NVCC),$(NVCC) $(CFLAGS),$(CC) -x c $(STRICT) $(CFLAGS))
# What nvcc compiled, nvcc links.
LINK         = $(if $(and $(NVCC),$(CUDA_PREFIXES)),$(NVCC) $(CFLAGS),$(COMPILE))
OBJECTS      = $(PREFIXES:%=$(OUT)/%.o) $(CUDA_PREFIXES:%=$(OUT)/%.o)

# Commands are shown as people would type them in this folder.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all fetch clean
.SUFFIXES:

all: $(OUT)/$(NAME)

# 1. the models, fetched or trained
ifdef MODEL
MODEL_FILE := $(CACHE)/$(MODEL).onnx

fetch: $(MODEL_FILE)

$(MODEL_FILE):
	$(PYTHON) ../fetch.py --to $(CACHE) $(MODEL) $(ALSO:%=--also %)
else
MODEL_FILE := $(OUT)/%.json

$(PREFIXES:%=$(OUT)/%.json) $(TRAINED:%=$(OUT)/%): $(OUT)/trained ;

$(OUT)/trained: $(TRAIN_NEEDS)
	@mkdir -p $(OUT)
	@$(TORCH_PYTHON) -c "import torch" 2>/dev/null || { echo "$(TORCH_PYTHON) has no PyTorch: apt-get install python3-torch, or TORCH_PYTHON=…" >&2; exit 1; }
	PYTHONPATH=$(ROOT)/python $(TORCH_PYTHON) $(TRAIN)
	@touch $@
endif

# 2. a model becomes C, or CUDA
$(PREFIXES:%=$(OUT)/%.c): $(OUT)/%.c: $(MODEL_FILE) $(CTC)
	@mkdir -p $(OUT)
	$(CTC) compile $< -o $@ --prefix $* $(CTC_FLAGS)

$(PREFIXES:%=$(OUT)/%.h): $(OUT)/%.h: $(OUT)/%.c ;

$(CUDA_PREFIXES:%=$(OUT)/%.cu): $(OUT)/%.cu: $(MODEL_FILE) $(CTC)
	@mkdir -p $(OUT)
	$(CTC) compile $< -o $@ --prefix $* $(CTC_FLAGS) $(CUDA_FLAGS)

$(CUDA_PREFIXES:%=$(OUT)/%.h): $(OUT)/%.h: $(OUT)/%.cu ;

# 3. it becomes an object file: any C compiler, no library
$(PREFIXES:%=$(OUT)/%.o): $(OUT)/%.o: $(OUT)/%.c
	$(COMPILE) -c $< -o $@

$(CUDA_PREFIXES:%=$(OUT)/%.o): $(OUT)/%.o: $(OUT)/%.cu
	$(COMPILE_CUDA) -c $< -o $@

# 4. with the few lines around it, a program
$(OUT)/$(NAME): $(SOURCES) $(HEADERS) $(OBJECTS) $(OBJECTS:.o=.h)
	$(LINK) -I$(OUT) $(SOURCES) $(OBJECTS) -o $@ -lm $(CUDA_PREFIXES:%=-ldl)

clean:
	rm -rf $(OUT)

# Photographs of the package scikit-image, for examples that look at pictures; what they may be used for is said there.
PHOTOGRAPHS := scikit-image==0.26.0
SHA256_astronaut := 88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5
SHA256_chelsea   := 596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb
SHA256_coffee    := cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7

$(CACHE)/astronaut.png $(CACHE)/chelsea.png $(CACHE)/coffee.png: $(CACHE)/%.png:
	$(PYTHON) ../fetch.py --to $(CACHE) --package $(PHOTOGRAPHS) --also skimage/data/$*.png=$(SHA256_$*)

$(OUT)/%.ppm: $(CACHE)/%.png
	@mkdir -p $(OUT)
	$(PYTHON) ../shared/png_to_ppm.py $< $@
