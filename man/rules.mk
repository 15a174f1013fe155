# Manual pages, from scdoc sources. Their date is that of the newest release in CHANGELOG.md, so that two builds are equal.

MAN_SOURCES := $(sort $(wildcard man/*.scd))
MAN_PAGES   := $(MAN_SOURCES:%.scd=$(BUILD)/%)

.PHONY: man
man: $(MAN_PAGES)

$(BUILD)/man/%: man/%.scd CHANGELOG.md man/rules.mk
	@mkdir -p $(@D)
	sed 's/@VERSION@/$(VERSION)/g' $< | \
		SOURCE_DATE_EPOCH=$$(date -u -d "$$(sed -n 's/^## \[.*\] - //p' CHANGELOG.md | head -n 1)" +%s) scdoc > $@.new
	mv $@.new $@
