# Builds ctc and runs its tests. `make help` lists the targets.
#
# Sources are found by wildcard: a new file in compiler/, runtime/, templates/ or tests/unit/, a new folder in layers/ needs no entry here.
# Everything that is built goes to $(BUILD). What is generated there, in $(BUILD)/gen:
#   onnx.pb-c.[ch]       protoc-c from schema/onnx.proto
#   operator_table.c     tools/operator_table.c from schema/*_operators.json
#   kernels_*.c,         tools/kernels*.c and compiler/kernels/ from runtime/*.c and layers/*/kernel.c
#     kernel_table.c
#   layers.c             tools/embed.c from layers/
#   templates.c          tools/embed.c from templates/
#   schemas.c            tools/embed.c from schema/*.schema.json and schema/operator_evidence.json
#   ops.def              the DEFINE_…(Name lines of compiler/ops/

BUILD   ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG   ?= clang
PREFIX  ?= /usr/local
PYTHON  ?= .venv/bin/python
CFLAGS  ?= -O2 -g
GEN     := $(BUILD)/gen
MAKEFLAGS += --no-builtin-rules
# What the tests need is built on all cores, unless make was told how many jobs to run.
PARALLEL := $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))
# `make V=1` shows the commands.
Q := $(if $(V),,@)
show = $(if $(V),,@echo "  $(1) $@")

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
C_FLAGS  := -std=gnu11 $(WARNINGS) -Icompiler -I$(GEN) $(CFLAGS)
CUDA_WARNINGS := -Wall -Wextra -Wshadow -Wno-missing-field-initializers
LIBS     := -lprotobuf-c -ljansson -lzip -lz -lm -ldl

# What `make bench` compares with has an environment of its own: some 300 MB.
BENCH_PYTHON := $(BUILD)/bench-venv/bin/python
BENCH_STAMP  := $(BUILD)/bench-venv/installed

NVRTC         := nvidia-cuda-nvrtc==13.5.37
NVRTC_STAMP   := $(if $(wildcard /usr/local/cuda/lib64/libnvrtc.so.1?),,$(BUILD)/nvrtc/installed)

# --- sources ---

SOURCES   := $(sort $(shell find compiler -name '*.c'))
HEADERS   := $(sort $(shell find compiler -name '*.h' -o -name '*.def'))
RUNTIME   := $(sort $(wildcard runtime/*.c))
DEVICE    := $(sort $(wildcard runtime/cuda/*.cu runtime/cuda/libs/*.c))
LAYERS    := $(sort $(wildcard layers/*/kernel.c))
TEMPLATES := $(sort $(wildcard templates/*.[ch] templates/*.cu templates/*.json))
SCHEMAS   := $(sort $(wildcard schema/*.schema.json)) schema/operator_evidence.json
TABLES    := $(sort $(wildcard schema/*_operators.json))
UNIT      := $(sort $(wildcard tests/unit/test_*.c))
TABLE_TOOL := $(wildcard tools/operator_table.c)
CUDA      := $(sort $(wildcard tests/cuda/*.cpp))
CUDA_HEADERS := $(sort $(wildcard tests/cuda/*.h))
CUDA_LIBS := $(sort $(wildcard tests/cuda/libs/*.cpp))
CUDA_LIBS_HEADERS := $(wildcard tests/cuda/libs/*.h) tests/cuda/api.h

KERNEL_FILES := $(RUNTIME:runtime/%.c=$(GEN)/kernels_%.c) $(LAYERS:layers/%/kernel.c=$(GEN)/kernels_layer_%.c) \
                $(GEN)/kernel_table.c
LAYER_FILES  := $(LAYERS) $(LAYERS:kernel.c=layer.json)
GENERATED    := $(GEN)/onnx.pb-c.c $(GEN)/templates.c $(GEN)/schemas.c $(GEN)/layers.c $(KERNEL_FILES) \
                $(if $(TABLE_TOOL),$(GEN)/operator_table.c)
# Included by sources, so they must be there before the first one is compiled.
GENERATED_HEADERS := $(GEN)/onnx.pb-c.h $(GEN)/ops.def

OBJECTS   := $(SOURCES:%.c=$(BUILD)/%.o) $(GENERATED:.c=.o)
LIBRARY   := $(BUILD)/libctc.a
FORMATTED := $(SOURCES) $(filter %.h,$(HEADERS)) $(UNIT) $(wildcard tools/*.[ch] examples/*/*.[ch] plugins/*/*.c) \
             $(CUDA) $(CUDA_HEADERS) $(CUDA_LIBS) $(wildcard tests/cuda/libs/*.h)
UNIT_BINS := $(UNIT:tests/unit/%.c=$(BUILD)/tests/%)
# Tests of the runtime's text, once more for each other width; they pass where the machine has no such registers.
VECTOR_TESTS := test_vector test_gemm test_blocks test_conv16 test_conv_planes
ifeq ($(shell uname -m),x86_64)
VECTOR_BINS := $(foreach width,scalar avx2 avx512,$(VECTOR_TESTS:%=$(BUILD)/tests/%-$(width)))
UNIT_BINS += $(VECTOR_BINS)
endif
VECTOR_scalar := -DCTC_SCALAR
VECTOR_avx2   := -mavx2 -mfma
VECTOR_avx512 := -mavx512f -mavx512dq -mfma

# --- targets for people ---

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all deps unit cuda-stand-in nvrtc test test-quick test-cuda conformance differential zoo demo bench bench-accuracy bench-kernels gpu-folder test-gpu bench-gpu lint tidy docs evidence format asan fuzz fuzz-build fuzz-keep fuzz-replay install clean help

all: $(BUILD)/ctc ## build the compiler: build/ctc

deps: $(BUILD)/deps.stamp ## install what the build and the tests need (apt packages, .venv)

unit: $(UNIT_BINS) ## unit tests only
	@failed=0; for test in $(UNIT_BINS); do \
	  echo "== $$test"; $$test || failed=1; \
	done; exit $$failed

cuda-stand-in: $(BUILD)/cuda/libcuda.so.1 $(BUILD)/cuda/libs/libcublasLt.so.13 $(BUILD)/cuda/libs/libcudnn.so.9 ## build/cuda: CUDA for tests without a GPU: LD_LIBRARY_PATH=build/cuda runs kernels on the CPU

test: deps ## all tests: unit tests, operators against the ONNX cases, errors, generated code
	@$(MAKE) --no-print-directory $(PARALLEL) all cuda-stand-in
	@$(MAKE) --no-print-directory $(PARALLEL) unit
	$(PYTHON) tests/run.py --all

test-quick: deps ## a part of the tests that takes about a minute
	@$(MAKE) --no-print-directory $(PARALLEL) all cuda-stand-in
	@$(MAKE) --no-print-directory $(PARALLEL) unit
	$(PYTHON) tests/run.py --quick

test-cuda: deps nvrtc ## all tests of programs for a GPU, without one: ONNX cases, models and architectures on the stand-in, NVRTC (hours)
	@$(MAKE) --no-print-directory $(PARALLEL) all cuda-stand-in
	$(PYTHON) tests/run.py --cuda

nvrtc: $(NVRTC_STAMP) ## NVIDIA's compiler of kernels for the tests, into build/nvrtc (60 MB), where there is no CUDA toolkit

zoo: deps ## compile and verify real models
	@$(MAKE) --no-print-directory $(PARALLEL) all
	$(PYTHON) tests/run.py --zoo

conformance: deps ## every case of the ONNX suite, through gcc as strict C99 and under ASan and UBSan
	@$(MAKE) --no-print-directory $(PARALLEL) all
	$(PYTHON) tests/run.py --conformance

# A case is a function of SEED and its number: CASE=n runs one again. ONLY is a regular expression over names of operators.
SEED  ?= 1
COUNT ?= 1000
differential: deps ## COUNT random nodes and graphs, drawn by SEED, against onnxruntime, a third of them under sanitizers; one again: CASE=n
	@$(MAKE) --no-print-directory $(PARALLEL) all
	$(PYTHON) tests/differential.py --seed $(SEED) --count $(COUNT) $(if $(CASE),--case $(CASE)) $(if $(ONLY),--only '$(ONLY)')

demo: ## from nothing to a real model that runs as C on files of this folder; says what it does
	@MAKE="$(MAKE)" examples/demo.sh

bench: all $(BENCH_STAMP) ## measure beside onnxruntime and OpenVINO: all models, 1 and 2 threads; writes docs/benchmarks.md and .svg
	$(BENCH_PYTHON) bench/run.py --ctc $(BUILD)/ctc --report $(BENCH_FLAGS)

bench-accuracy: all $(BENCH_STAMP) ## errors against a float64 run, beside onnxruntime's (half an hour); the next `make bench` shows them
	$(BENCH_PYTHON) bench/accuracy.py --ctc $(BUILD)/ctc

bench-kernels: all $(BENCH_STAMP) ## GFLOP/s and GB/s of the runtime's kernels beside what the machine can do; matrix products beside OpenBLAS
	$(BENCH_PYTHON) bench/kernels.py --ctc $(BUILD)/ctc --write $(BENCH_FLAGS)
	$(BENCH_PYTHON) bench/products.py --ctc $(BUILD)/ctc --write

# What travels to a machine with a GPU (docs/gpu-machine.md). Machine code for it is made here if NVRTC is here.
GPU_ARCH   ?= sm_90
GPU_MODELS ?=
GPU_NVRTC  ?= $(firstword $(wildcard /usr/local/cuda/lib64 $(BUILD)/nvrtc/nvidia/*/lib))
GPU_PYTHON ?= python3
gpu-folder: all deps ## build/gpu: what a machine with a GPU needs to test and measure (GPU_MODELS="lenet5 mlp" or files; all architectures)
	LD_LIBRARY_PATH=$(GPU_NVRTC) $(PYTHON) bench/gpu_folder.py --ctc $(BUILD)/ctc --cc $(CC) --to $(BUILD)/gpu $(if $(GPU_NVRTC),--arch $(GPU_ARCH)) $(GPU_FLAGS) $(GPU_MODELS)

test-gpu: ## CUDA programs on the GPU of this machine, if there is one, against onnxruntime's outputs
	@$(call on_gpu,test)

bench-gpu: ## measure CUDA programs on the GPU of this machine, if there is one, beside PyTorch; writes docs/benchmarks-gpu.md
	@$(call on_gpu,bench)
	@$(call on_gpu,steps)
	@! test -f $(BUILD)/gpu-results.json || python3 bench/gpu_report.py $(BUILD)/gpu-results.json

# run.py says so where there is no GPU; status 3 is not a failure.
on_gpu = $(GPU_PYTHON) bench/gpu/run.py device; found=$$?; if test $$found = 0; then \
	  { test -f $(BUILD)/gpu/models.json || $(MAKE) --no-print-directory gpu-folder; } && \
	  $(GPU_PYTHON) $(BUILD)/gpu/run.py $(1) --results $(BUILD)/gpu-results.json; \
	else test $$found = 3; fi

lint: $(BUILD)/ctc $(GEN)/runtime_all.c ## warnings of gcc and clang as errors, runtime as strict C99 and C++, format, layers, documents
	@failed=0; for file in $(SOURCES) $(UNIT) $(wildcard tools/*.c); do \
	  $(CC) $(C_FLAGS) -Werror -fsyntax-only $$file || failed=1; \
	  $(CLANG) $(C_FLAGS) -Werror -fsyntax-only $$file || failed=1; \
	done; exit $$failed
	@failed=0; for compiler in "$(CC) -std=c99" "$(CLANG) -std=c99" "g++ -x c++"; do \
	  $$compiler -Wall -Wextra -Wconversion -Wno-unused-function -pedantic -Werror -fsyntax-only \
	    $(GEN)/runtime_all.c || failed=1; \
	done; exit $$failed
	@command -v clang-format >/dev/null || { echo "make: clang-format is missing: apt-get install clang-format" >&2; exit 1; }
	clang-format --dry-run -Werror $(FORMATTED)
	python3 tools/lint.py --ctc $(BUILD)/ctc

tidy: $(GENERATED_HEADERS) ## clang-tidy's opinion by .clang-tidy: names, complexity, bugs (advice)
	clang-tidy --quiet $(SOURCES) $(wildcard tools/*.c) -- -std=gnu11 -Icompiler -I$(GEN)

evidence: deps $(BUILD)/ctc ## measure what operators take (schema/operator_evidence.json, for `make docs`); ONLY: a regular expression over names
	$(PYTHON) tests/operator_evidence.py --write --filter '$(ONLY)'

docs: $(BUILD)/ctc ## write the documents that are made from tables
	$(BUILD)/ctc ops --markdown > docs/operators.md

format: ## lay out all sources by .clang-format
	clang-format -i $(FORMATTED)

# What is read a million times is in memory (tests/fuzz/files.c); findings end the run.
FUZZ_SECONDS ?= 60
FUZZ         ?= $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_DIR     := $(BUILD)/fuzz
FUZZ_FLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_BINS    := $(FUZZ:%=$(FUZZ_DIR)/fuzz_%)
FUZZ_LIMITS  := -max_len=8000 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512
fuzz: fuzz-build ## libFuzzer on the readers (FUZZ="onnx json") for FUZZ_SECONDS each, from tests/fuzz/corpus (needs clang and libclang-rt-14-dev)
	@cat tests/fuzz/*.dict > $(FUZZ_DIR)/words.dict
	$(PYTHON) tests/fuzz/seeds.py $(FUZZ_DIR)/corpus
	@for name in $(FUZZ); do \
	  echo "== fuzz_$$name" && mkdir -p $(FUZZ_DIR)/corpus/$$name && \
	  { ! test -f tests/fuzz/corpus/$$name.tar.xz || tar -xJf tests/fuzz/corpus/$$name.tar.xz -C $(FUZZ_DIR)/corpus/$$name; } && \
	  $(FUZZ_DIR)/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) $(FUZZ_LIMITS) -artifact_prefix=$(FUZZ_DIR)/$$name- \
	    -dict=$(FUZZ_DIR)/words.dict $(FUZZ_DIR)/corpus/$$name || exit 1; \
	done

fuzz-build:
	@$(MAKE) --no-print-directory BUILD=$(FUZZ_DIR) FUZZ_DIR=$(FUZZ_DIR) CC=$(CLANG) HOST_CC=gcc GENERATED_FLAGS='-w -fno-sanitize=all' \
	  CFLAGS='-O1 -g -fsanitize=fuzzer-no-link $(FUZZ_FLAGS)' FUZZ_MAIN=-fsanitize=fuzzer $(FUZZ_BINS)

fuzz-keep: fuzz-build ## what `make fuzz` found, as little of it as covers the same, into tests/fuzz/corpus
	@for name in $(FUZZ); do \
	  tests/fuzz/keep.sh $$name $(FUZZ_DIR) || exit 1; \
	done

fuzz-replay: ## build/replay/fuzz_NAME, which run files or folders of a corpus once, with any C compiler
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/replay FUZZ_DIR=$(BUILD)/replay GENERATED_FLAGS='-w -fno-sanitize=all' \
	  CFLAGS='-O0 $(FUZZ_FLAGS)' FUZZ_MAIN=tests/fuzz/replay.c $(FUZZ:%=$(BUILD)/replay/fuzz_%)

$(FUZZ_DIR)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/files.c tests/fuzz/fuzz.h tests/fuzz/plugin.h tests/fuzz/replay.c $(LIBRARY)
	$(call show,link   )
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -Icompiler -I$(GEN) $(CFLAGS) -o $@ $(FUZZ_MAIN) $< tests/fuzz/files.c \
	  -Wl,--wrap=access,--wrap=file_map,--wrap=folder_file,--wrap=schema_embedded $(LIBRARY) $(LIBS)

asan: ## unit tests and a ctc in build/asan with the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan \
	  CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-format-truncation' all unit

install: all ## copy ctc to $(PREFIX)/bin, its manual page and completion scripts to $(PREFIX)/share
	install -D -m 755 $(BUILD)/ctc $(DESTDIR)$(PREFIX)/bin/ctc
	$(BUILD)/ctc man | install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/man/man1/ctc.1
	$(BUILD)/ctc completion bash | install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ctc
	$(BUILD)/ctc completion zsh | install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ctc
	$(BUILD)/ctc completion fish | install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ctc.fish

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16

# --- dependencies ---

$(BUILD)/deps.stamp: tools/deps.sh tests/requirements.txt
	@tools/deps.sh
	@mkdir -p $(@D) && touch $@

$(BENCH_STAMP): tests/requirements.txt bench/requirements.txt
	python3 -m venv $(BUILD)/bench-venv
	$(BENCH_PYTHON) -m pip install --quiet --disable-pip-version-check $(foreach file,$^,-r $(file))
	@touch $@

# Of use to few, so not a part of deps; the tests that want it are skipped without.
$(BUILD)/nvrtc/installed: | $(BUILD)/deps.stamp
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D) $(NVRTC)
	@touch $@

# --- compiling and linking ---

$(BUILD)/ctc: $(OBJECTS)
	$(call show,link   )
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# For the unit tests: everything but main(); only what a test uses is linked into it. `q`, because file names repeat.
$(LIBRARY): $(filter-out %/main.o,$(OBJECTS))
	$(call show,archive)
	$(Q)rm -f $@
	$(Q)ar qcs $@ $^

$(BUILD)/compiler/%.o: compiler/%.c | $(GENERATED_HEADERS)
	@mkdir -p $(@D)
	$(call show,compile)
	$(Q)$(CC) $(C_FLAGS) -MMD -MP -c -o $@ $<

$(GEN)/%.o: $(GEN)/%.c | $(GENERATED_HEADERS)
	$(call show,compile)
	$(Q)$(CC) $(C_FLAGS) $(GENERATED_FLAGS) -MMD -MP -c -o $@ $<

# The interpreter runs the kernels: let the compiler vectorise them.
$(GEN)/kernels_%.o: GENERATED_FLAGS := -O3

# What protoc-c writes does not keep to our warnings.
$(GEN)/onnx.pb-c.o: GENERATED_FLAGS := -w

$(VECTOR_BINS): $(GEN)/runtime_all.c
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(CC) $(C_FLAGS) -Wno-unused-function $(VECTOR_$(lastword $(subst -, ,$(@F)))) -MMD -MP -o $@ tests/unit/$(firstword $(subst -, ,$(@F))).c -lcmocka -lm

# All of the runtime is in it, and it uses a part.
$(VECTOR_TESTS:%=$(BUILD)/tests/%): private C_FLAGS += -Wno-unused-function
$(VECTOR_TESTS:%=$(BUILD)/tests/%): $(GEN)/runtime_all.c

# A test may be a program that reads the tools' output, so they are built first.
$(BUILD)/tests/%: tests/unit/%.c $(LIBRARY) | $(BUILD)/tools/kernels
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(CC) $(C_FLAGS) -MMD -MP -o $@ $< $(LIBRARY) -lcmocka $(LIBS)

-include $(OBJECTS:.o=.d) $(UNIT_BINS:=.d)

# --- the stand-in for CUDA ---

# NVRTC is the same library under its own name; kernels are compiled against the headers beside it.
$(BUILD)/cuda/libcuda.so.1: $(CUDA) $(CUDA_HEADERS)
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(CXX) -std=c++17 -O2 -g $(CUDA_WARNINGS) -fPIC -shared -fvisibility=hidden -o $@ $(CUDA) -ldl
	$(Q)cp tests/cuda/device.h tests/cuda/block.h $(@D)
	$(Q)ln -sfn libcuda.so.1 $(@D)/libnvrtc.so.13

# Libraries that programs may use, in a folder of their own: where a test names it, they are there.
$(BUILD)/cuda/libs/libcublasLt.so.13: tests/cuda/libs/cublaslt.cpp
$(BUILD)/cuda/libs/libcudnn.so.9: tests/cuda/libs/cudnn.cpp
$(BUILD)/cuda/libs/%: tests/cuda/libs/library.cpp $(CUDA_LIBS_HEADERS)
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(CXX) -std=c++17 -O2 -g $(CUDA_WARNINGS) -fPIC -shared -fvisibility=hidden -o $@ $(filter %.cpp,$^) -ldl

# --- tools that run while building ---

# Not with CFLAGS: a tool runs here and once, so that sanitizers and cross compilation do not concern it.
HOST_CC    ?= $(CC)
TOOL_FLAGS := -std=gnu11 $(WARNINGS) -Icompiler -O1 -g
TOOL_BASE  := $(wildcard compiler/base/*.[ch]) $(wildcard compiler/ir/dtype.*) compiler/ir/kernel.h \
             $(wildcard compiler/backends/template.[ch])

$(BUILD)/tools/kernels: $(wildcard tools/kernels*.[ch] compiler/kernels/*.[ch]) $(TOOL_BASE)
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(HOST_CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^)

$(BUILD)/tools/embed: tools/embed.c $(TOOL_BASE)
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(HOST_CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^)

# Waits for protoc-c's output, whose rule says how to get what is missing.
$(BUILD)/tools/operator_table: tools/operator_table.c $(TOOL_BASE) | $(GEN)/onnx.pb-c.h
	@mkdir -p $(@D)
	$(call show,link   )
	$(Q)$(HOST_CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^) -ljansson

# --- generated sources ---
# A folder among the prerequisites is newer when a file was added to it or removed from it.

$(GEN)/onnx.pb-c.c: schema/onnx.proto
	@command -v protoc-c >/dev/null || { echo "make: protoc-c is missing. Run 'make deps' first." >&2; exit 1; }
	@mkdir -p $(@D)
	$(call show,write  )
	$(Q)protoc-c --proto_path=schema --c_out=$(GEN) $<

$(GEN)/onnx.pb-c.h: $(GEN)/onnx.pb-c.c ;

$(GEN)/operator_table.c: $(BUILD)/tools/operator_table $(TABLES)
	@mkdir -p $(@D)
	$(call show,write  )
	$(Q)$< $(TABLES) > $@

# One run writes all kernel files, and leaves alone those that would not change: the stamp says when it ran.
$(KERNEL_FILES) $(GEN)/runtime_all.c: $(GEN)/kernels.stamp ;

$(GEN)/kernels.stamp: $(BUILD)/tools/kernels $(RUNTIME) $(LAYERS) $(DEVICE) runtime layers runtime/cuda runtime/cuda/libs
	@mkdir -p $(@D)
	$(call show,write  )
	$(Q)$< -o $(GEN) $(RUNTIME) $(LAYERS) $(DEVICE)
	@touch $@

$(GEN)/templates.c: $(BUILD)/tools/embed $(TEMPLATES) templates
	@mkdir -p $(@D)
	$(call show,write  )
	$(Q)$< templates $(TEMPLATES) > $@

$(GEN)/layers.c: $(BUILD)/tools/embed $(LAYER_FILES) layers
	@mkdir -p $(@D)
	$(call show,write  )
	$(Q)$< layers $(LAYER_FILES) > $@

$(GEN)/schemas.c: $(BUILD)/tools/embed $(SCHEMAS) schema
	@mkdir -p $(@D)
	$(call show,write  )
	$(Q)$< schemas $(SCHEMAS) > $@

# Rewritten only when an operator was added or renamed: everything that includes it is compiled again then.
$(GEN)/ops.def: $(wildcard compiler/ops/*.c) compiler/ops
	@mkdir -p $(@D)
	@sed -n 's/^DEFINE_[A-Z0-9_]*(\([A-Za-z0-9_][A-Za-z0-9_]*\).*/OP(\1)/p' $(filter %.c,$^) | LC_ALL=C sort > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
