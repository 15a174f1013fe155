# deps, demo, install, uninstall, deb.

# `make deps check`, which this was for long, still installs what the tests need.
deps:
	tools/deps.sh $(if $(filter check check-%,$(MAKECMDGOALS)),all,build)

deps-check:
	tools/deps.sh all

demo: preload tool
	tools/demo/demo.sh $(BUILD)

INSTALL      ?= install
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
DOCDIR       ?= $(DATADIR)/doc/mudlark
BASHCOMPDIR  ?= $(DATADIR)/bash-completion/completions
# /usr's own zsh and fish read what packages bring from vendor directories, others from these.
ZSHCOMPDIR   ?= $(if $(filter /usr,$(PREFIX)),$(DATADIR)/zsh/vendor-completions,$(DATADIR)/zsh/site-functions)
FISHCOMPDIR  ?= $(DATADIR)/fish/vendor_completions.d

INSTALLED_MAN := $(foreach page,$(notdir $(MAN_PAGES)),$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(page))
INSTALLED_DOC := README.md CHANGELOG.md LICENSE
INSTALLED := $(BINDIR)/mudlark $(LIBDIR)/mudlark/libmudlark.so $(INCLUDEDIR)/mudlark.h $(PKGCONFIGDIR)/mudlark.pc \
	$(BASHCOMPDIR)/mudlark $(ZSHCOMPDIR)/_mudlark $(FISHCOMPDIR)/mudlark.fish \
	$(INSTALLED_MAN) $(addprefix $(DOCDIR)/,$(INSTALLED_DOC))

# The header is all there is to use: its functions are weak, so a program links nothing.
define PKGCONFIG
prefix=$(PREFIX)
includedir=$(INCLUDEDIR)

Name: mudlark
Description: What a program can say to the memory profiler Mudlark; needs no library
Version: $(VERSION)
Cflags: -I$${includedir}
endef

install: all
	$(INSTALL) -D -m 755 $(BUILD)/mudlark $(DESTDIR)$(BINDIR)/mudlark
	$(INSTALL) -D -m 644 $(PRELOAD_LIBRARY) $(DESTDIR)$(LIBDIR)/mudlark/libmudlark.so
	$(INSTALL) -D -m 644 preload/interface/mudlark.h $(DESTDIR)$(INCLUDEDIR)/mudlark.h
	$(file >$(BUILD)/mudlark.pc,$(PKGCONFIG))
	$(INSTALL) -D -m 644 $(BUILD)/mudlark.pc $(DESTDIR)$(PKGCONFIGDIR)/mudlark.pc
	$(INSTALL) -D -m 644 $(BUILD)/completions/mudlark.bash $(DESTDIR)$(BASHCOMPDIR)/mudlark
	$(INSTALL) -D -m 644 $(BUILD)/completions/_mudlark $(DESTDIR)$(ZSHCOMPDIR)/_mudlark
	$(INSTALL) -D -m 644 $(BUILD)/completions/mudlark.fish $(DESTDIR)$(FISHCOMPDIR)/mudlark.fish
	$(foreach page,$(INSTALLED_MAN),$(INSTALL) -D -m 644 $(BUILD)/man/$(notdir $(page)) $(DESTDIR)$(page)$(newline))
	$(foreach name,$(INSTALLED_DOC),$(INSTALL) -D -m 644 $(name) $(DESTDIR)$(DOCDIR)/$(name)$(newline))

# The files that install made, and the two directories that are Mudlark's alone.
uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir $(DESTDIR)$(LIBDIR)/mudlark $(DESTDIR)$(DOCDIR)

# A line break, which ends a command of a recipe.
define newline


endef

# A copy of the source is built as a Debian package, outside of $(BUILD), whose .d files make reads. Before publishing the
# package, put an address into tools/debian/control that can be written to: lintian asks for one.
DEB_SOURCES := Makefile LICENSE README.md CHANGELOG.md preload symbolize report man tools tests

deb:
	tools/debian/build.sh $(VERSION) $(BUILD)/deb $(DEB_SOURCES)
