"""Writes a C file for the compiler benchmark: many functions with loops, switches and structures, always the same."""
import random
import sys


def function(numbers, i):
    pick = lambda *choices: numbers.choice(choices)
    lines = ["int work%d(struct node *n, int *v, int k)" % i, "{", "\tint s = %d, i, j;" % i]
    for _ in range(numbers.randrange(3, 7)):
        kind = numbers.randrange(4)
        if kind == 0:
            lines += [
                "\tfor (i = 0; i < k; i++) {",
                "\t\ts %s v[i] * %d;" % (pick("+=", "^=", "-="), numbers.randrange(2, 99)),
                "\t\tif (s %s %d) v[i] = s >> %d; else v[(i * 7) %% 64] += i;"
                % (pick("<", ">", "=="), numbers.randrange(999), numbers.randrange(1, 8)),
                "\t}",
            ]
        elif kind == 1:
            lines += ["\tswitch ((s + k) & 7) {"]
            lines += ["\tcase %d: s = s * %d + n->value; break;" % (c, numbers.randrange(2, 50)) for c in range(6)]
            lines += ["\tdefault: s -= n->count; }"]
        elif kind == 2:
            lines += [
                "\twhile (n && n->next && s < %d) { s += n->value + n->count; n = n->next; }" % numbers.randrange(9999),
                "\tif (!n) return s;",
            ]
        else:
            lines += [
                "\tfor (i = 0; i < 8; i++) for (j = 0; j < 8; j++)",
                "\t\tn->matrix[i][j] %s n->matrix[j][i] * %d + s;" % (pick("+=", "="), numbers.randrange(1, 9)),
            ]
    if i:
        lines.append("\tif (k > %d) s += work%d(n, v, k - 1);" % (numbers.randrange(50), numbers.randrange(i)))
    return lines + ["\treturn s;", "}"]


def main():
    numbers = random.Random(11)
    print("struct node { struct node *next; int value, count; int matrix[8][8]; };")
    for i in range(int(sys.argv[1])):
        print("\n".join(function(numbers, i)))


main()
