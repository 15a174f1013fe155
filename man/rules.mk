# Manual pages, from scdoc sources.

.PHONY: man
man:
