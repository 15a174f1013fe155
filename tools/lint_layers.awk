# Includes that go against tools/layers.txt: awk -f tools/lint_layers.awk tools/layers.txt tools/layers_exceptions.txt SOURCES
#
# Each quoted include must be of the file's own folder or of one that its folder's line names. The second file lists what is
# excepted, "SOURCE INCLUDED" a line; an exception that no source needs is an error as well, so the list can only shrink.
# Exit status 1 when there is anything to say.
function folder(path) {
	sub(/\/[^\/]*$/, "", path)
	sub(/^preload\/arch\/.*/, "preload/arch", path)
	return path
}
function complain(text) {
	print "layers: " text
	bad = 1
}
BEGIN { table = ARGV[1]; exceptions = ARGV[2] }
/^#/ && (FILENAME == table || FILENAME == exceptions) || !NF { next }
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
FILENAME == exceptions { excepted[$1 " " $2] = 1; next }
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
	if ((FILENAME " " part[2]) in excepted)
		delete excepted[FILENAME " " part[2]]
	else
		complain(FILENAME ":" FNR ": " own " must not include " part[2])
}
END {
	for (line in excepted)
		complain(exceptions ": not needed any longer: " line)
	exit bad
}
