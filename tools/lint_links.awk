# Calls that go against tools/layers.txt: awk -f tools/lint_links.awk TABLE MAP BUILD NM
#
# The same table as for includes, over what objects refer to: an `extern` of one's own would hide an edge from includes.
# MAP is the linker's version script: what the library exports has libc's name, and a call of it means libc's function.
# NM is the output of `nm -A` on all objects below BUILD/. Exit status 1 when there is anything to say.
function folder(path) {
	sub(/\/[^\/]*$/, "", path)
	if (!sub(/^preload\/arch\/[^\/]*\/stubs$/, "preload/arch/stubs", path))
		sub(/^preload\/arch\/[^\/]*$/, "preload/arch", path)
	return path
}
# The library and the command are two programs with names of their own.
function program(path) {
	return path ~ /^preload\// ? "library " : "command "
}
function complain(text) {
	print "links: " text
	bad = 1
}
BEGIN { table = ARGV[1]; map = ARGV[2]; build = ARGV[3] "/"; ARGV[3] = "" }
/^#/ || !NF { next }
FILENAME == table {
	name = $1
	sub(/:$/, "", name)
	allowed[name] = " " name " "
	for (i = 2; i <= NF; i++)
		allowed[name] = allowed[name] $i " "
	next
}
FILENAME == map {
	gsub(/\/\*.*\*\/|[;{}]/, " ")
	for (i = 1; i <= NF; i++)
		exported[$i] = 1
	next
}
{
	# build/preload/base/sys.o:0000000000000000 T sys_map, or with blanks instead of the address.
	split($1, place, ":")
	object = substr(place[1], length(build) + 1)
	symbol = $NF
	kind = $(NF - 1)
	if (kind ~ /[A-TV-Z]/ || kind ~ /[vw]/ && $1 ~ /:[0-9a-f]/)
		defined[program(object) symbol] = object
	else if (kind == "U")
		calls[object " " symbol] = 1
}
END {
	for (call in calls) {
		split(call, part, " ")
		name = program(part[1]) part[2]
		if (!(name in defined) || part[2] in exported)
			continue
		own = folder(part[1])
		other = folder(defined[name])
		top = other
		sub(/\/.*/, "", top)
		if (!index(allowed[own], " " other " ") && !index(allowed[own], " " top "/* "))
			complain(part[1] " refers to " part[2] " of " defined[name])
	}
	exit bad
}
