/*
 * Text from snapshots, files and command lines, made harmless for the format in which it is written.
 *
 * The profiled program chooses the names of functions, files, modules, threads, types, labels and programs. They may
 * contain line breaks, escape sequences, characters that change the writing direction, markup, and bytes that are not
 * UTF-8. Each format has one function here, and no writer escapes by itself:
 *
 *   terminal, prose    text_clean()              what would control a terminal or reorder a line: '?'
 *   JSON, SARIF        escape_json()             lossless: \uXXXX; only bytes that are not UTF-8 become U+FFFD
 *   XML (JUnit)        escape_xml()              entities; what XML 1.0 cannot hold: '?'
 *   Markdown           escape_markdown()         prose, and entities for markup
 *   GitHub's commands  escape_command()          %XX, and ':' and ',' in properties
 *   URI references     escape_uri()              %XX
 *   Graphviz           escape_dot()              prose in a quoted string
 *   folded stacks      escape_folded()           ';' would end a frame, and a line break the stack
 *   suppressions       escape_pattern()          '*', which matches the replaced text
 *
 * Text in a job's log must not be a command to the CI runner: a line that starts with "::" is one for GitHub, and a
 * line that contains "##" is one for Azure and TeamCity. text_clean() breaks both.
 */
#ifndef MUDLARK_ESCAPE_H
#define MUDLARK_ESCAPE_H

#include "report/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends text, whole, without what would steer a terminal, reorder the line, end it, or command a CI runner. */
void text_clean(struct buffer *out, const char *text);

/* Appends length bytes as a JSON string, in its quotes. */
void escape_json(struct buffer *out, const char *bytes, size_t length);
/* Appends text for an element or an attribute's value. A line break stays one, as an entity. */
void escape_xml(struct buffer *out, const char *text);
/* Appends at most most characters of text on one line of Markdown; " ..." if there are more. */
void escape_markdown(struct buffer *out, const char *text, size_t most);
/* Appends data, or the value of a property, of a workflow command. A line break stays one, encoded. */
void escape_command(struct buffer *out, const char *text, bool property);
/* Appends a path as a reference relative to another one, or as a file: URI. */
void escape_uri(struct buffer *out, const char *path);
/* Appends a quoted string of the DOT language. */
void escape_dot(struct buffer *out, const char *text);
/* Appends the name of a frame. */
void escape_folded(struct buffer *out, const char *text);
/* Appends a name as a pattern of LeakSanitizer's and Valgrind's suppressions. */
void escape_pattern(struct buffer *out, const char *name);

#endif
