# deps, demo, install, uninstall, deb.

deps:
	tools/deps.sh

demo: preload tool
	tools/demo/demo.sh $(BUILD)
