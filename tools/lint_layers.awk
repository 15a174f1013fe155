# Includes that go against tools/layers.txt: awk -f tools/lint_layers.awk tools/layers.txt SOURCES
#
# Each quoted include must be of the file's own folder or of one that its folder's line names. Exit status 1 when there is
# anything to say.
function folder(path) {
	sub(/\/[^\/]*$/, "", path)
	if (!sub(/^preload\/arch\/[^\/]*\/stubs$/, "preload/arch/stubs", path))
		sub(/^preload\/arch\/[^\/]*$/, "preload/arch", path)
	return path
}
function complain(text) {
	print "layers: " text
	bad = 1
}
BEGIN { table = ARGV[1] }
/^#/ && FILENAME == table || !NF { next }
FILENAME == table {
	name = $1
	sub(/:$/, "", name)
	allowed[name] = " " name " "
	for (i = 2; i <= NF; i++) {
		if ($i !~ /\/\*$/ && !($i in allowed))
			complain(name " names " $i ", which has no line above it")
		allowed[name] = allowed[name] $i " "
	}
	next
}
FNR == 1 {
	own = folder(FILENAME)
	if (!(own in allowed))
		complain(FILENAME ": its folder is not in " table)
}
/^#[ \t]*include "/ {
	split($0, part, "\"")
	other = folder(part[2])
	top = other
	sub(/\/.*/, "", top)
	if (index(allowed[own], " " other " ") || index(allowed[own], " " top "/* "))
		next
	complain(FILENAME ":" FNR ": " own " must not include " part[2])
}
END { exit bad }
