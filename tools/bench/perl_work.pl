# Perl builds a hash of lists from words, sorts it, splits and joins strings. Usage: perl_work.pl ROUNDS
use strict;
use warnings;

my $seed = 12345;
sub number { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed >> 8; }

for my $round (1 .. $ARGV[0]) {
	my %lines;
	for my $i (1 .. 40000) {
		my $text = join ' ', map { 'word' . number() % 5000 } 1 .. 6;
		push @{ $lines{$_} }, $i for split / /, $text;
	}
	my @order = sort { @{ $lines{$b} } <=> @{ $lines{$a} } || $a cmp $b } keys %lines;
	my $out = '';
	$out .= "$_: " . join(',', @{ $lines{$_} }[0 .. 3]) . "\n" for @order[0 .. 1999];
	die "nothing was written\n" unless length $out;
}
