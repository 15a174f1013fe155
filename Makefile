# Mudlark: build, test, install.
#
#   make deps demo           set up a fresh Debian 12 and show the main job on two real leaking programs
#   make deps-check check    set up and run every test
#
# Everything built goes below $(BUILD); the source tree stays clean.

VERSION := 0.1.0
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share
BUILD   ?= build

CC       ?= gcc
CXX      ?= g++
CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
BASE_CFLAGS := -std=gnu11 $(WARNINGS) -I. -DMUDLARK_VERSION='"$(VERSION)"' -MMD -MP

.PHONY: all deps deps-check demo check lint fuzz asan bench install uninstall deb clean
all: preload tool man completions

include preload/rules.mk
include symbolize/rules.mk
include report/rules.mk
include man/rules.mk
include tests/rules.mk
include tools/rules.mk

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
