# The folders and what they include, for graphviz: awk -f tools/structure.awk tools/layers.txt SOURCES
#
# A folder's line in the table is its height: one that includes another is drawn above it. An arrow that the table's
# other arrows imply is left out, or the drawing would be black with them.
function folder(path) {
	sub(/\/[^\/]*$/, "", path)
	if (!sub(/^preload\/arch\/[^\/]*\/stubs$/, "preload/arch/stubs", path))
		sub(/^preload\/arch\/[^\/]*$/, "preload/arch", path)
	return path
}
/^#/ && FILENAME == ARGV[1] || !NF { next }
FILENAME == ARGV[1] {
	sub(/:$/, "", $1)
	name[++count] = $1
	next
}
FNR == 1 { sources[folder(FILENAME)]++ }
/^#[ \t]*include "/ {
	split($0, part, "\"")
	from = folder(FILENAME)
	to = folder(part[2])
	if (from != to)
		includes[from, to]++
}
END {
	# Table order is from the bottom up, so a folder's own arrows are complete before those that lead to it.
	for (i = 1; i <= count; i++) {
		for (j = i - 1; j >= 1; j--) {
			if (!((name[i], name[j]) in includes))
				continue
			for (k = j + 1; k < i; k++)
				if ((name[i], name[k]) in includes && reaches[name[k], name[j]])
					implied[name[i], name[j]] = 1
			reaches[name[i], name[j]] = 1
			for (k = 1; k < j; k++)
				if (reaches[name[j], name[k]])
					reaches[name[i], name[k]] = 1
		}
	}
	print "digraph mudlark {"
	print "\trankdir = TB; node [shape = box, fontname = \"sans-serif\"]; edge [color = gray40];"
	for (i = 1; i <= count; i++)
		printf "\t\"%s\" [label = \"%s\\n%d files\"];\n", name[i], name[i], sources[name[i]]
	for (i = 1; i <= count; i++)
		for (j = 1; j <= count; j++)
			if ((name[i], name[j]) in includes && !((name[i], name[j]) in implied))
				printf "\t\"%s\" -> \"%s\"%s;\n", name[i], name[j], i < j ? " [color = red, constraint = false]" : ""
	print "}"
}
