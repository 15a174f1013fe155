# deps, demo, completions, install, deb.

.PHONY: completions
completions:
