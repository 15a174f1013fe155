# Words against tools/words.txt: awk -f tools/lint_words.awk tools/words.txt tools/words_exceptions.txt FILES
#
# A word counts if no letter, digit, underscore, dot or '"' is before it, so that identifiers and JSON keys do not. The second
# file lists what is excepted, "FILE WORD" a line; an exception that no file needs is an error as well, so the list can only
# shrink. Exit status 1 when there is anything to say.
function complain(text) {
	print "words: " text
	bad = 1
}
BEGIN { FS = "\t"; words = ARGV[1]; exceptions = ARGV[2] }
FILENAME == words {
	if (!/^#/ && NF == 2) {
		pattern[++count] = "(^|[^[:alnum:]_.>\"])(" $1 ")($|[^[:alnum:]_])"
		instead[count] = $2
	}
	next
}
FILENAME == exceptions {
	if (!/^#/ && NF)
		excepted[$0] = 1
	next
}
{
	line = tolower($0)
	for (i = 1; i <= count; i++) {
		if (!match(line, pattern[i]))
			continue
		word = substr(line, RSTART, RLENGTH)
		gsub(/^[^[:alnum:]]+|[^[:alnum:]]+$/, "", word)
		entry = FILENAME " " word
		if (entry in excepted)
			needed[entry] = 1
		else
			complain(FILENAME ":" FNR ": '" word "': write " instead[i])
	}
}
END {
	for (entry in excepted)
		if (!(entry in needed))
			complain(exceptions ": not needed any longer: " entry)
	exit bad
}
