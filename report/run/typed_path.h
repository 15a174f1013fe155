/*
 * Paths and other words, quoted for the commands that the user may type next.
 */
#ifndef MUDLARK_TYPED_PATH_H
#define MUDLARK_TYPED_PATH_H

/* Relative where it is in the current directory, quoted where the shell needs it. The caller frees. */
char *typed_path(const char *path);
/* Quoted where the shell needs it. The caller frees. */
char *typed_word(const char *text);

#endif
