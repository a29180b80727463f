# SPDX-License-Identifier: GPL-2.0-or-later
#
# The front door. Each target sets up what it needs first; a second run finds everything in place.
PYTHON ?= /usr/bin/python3
BUILD = build

.PHONY: all setup kernels demo test test-matrix bench fuzz install clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/setup build
	meson setup $(BUILD)

setup:
	tools/setup
	$(MAKE) kernels

kernels:
	tools/fetch-kernels
	tools/tiny-kernel

demo:
	tools/setup
	tools/fetch-kernels 6.1
	$(MAKE) all
	tools/demo

test: setup
	$(PYTHON) tools/test

# ONLY='kdump and lvm': those of the long scenarios that pytest -k would choose
test-matrix: setup all
	-tools/tiny-kernel keys
	$(PYTHON) tools/test --matrix $(if $(ONLY),'$(ONLY)')

bench: setup all
	$(PYTHON) bench/run

fuzz: setup
	tools/fuzz

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-asan
