/*
 * What a signal does, as the program sees it.
 *
 * With `fatal`, each signal of fatal_signals.h that has its default action is caught by fatal_signal(). The program
 * must not see that: sigaction() and its kin are interposed, say SIG_DFL where they find one of our entries, and put an
 * entry in where the program asks for SIG_DFL. A handler of the program's own, or SIG_IGN, replaces the entry.
 *
 * The kernel keeps all that there is to know, so that a vfork child, which has its parent's memory but not its parent's
 * signals, cannot mix them up: mask and harmless flags are those that the program gave; the flags that an entry must
 * not have, or must have, are told by which of the entries it is.
 *
 * A handler with SA_RESETHAND leaves the default action behind, which the kernel would put there itself: such a handler is
 * called by us, after an entry has been put there. Programs raise the signal again from it, as node does.
 *
 * A program that changes signals by system calls of its own (Go's runtime) finds an entry of ours as the old handler.
 */
#ifndef MUDLARK_DISPOSITIONS_H
#define MUDLARK_DISPOSITIONS_H

/* Catches the signals that have their default action. From the constructor. */
void dispositions_init(void);

/* Gives back what is caught, and catches nothing any longer. */
void dispositions_give_back(void);
/* Takes again what was given back. */
void dispositions_take_again(void);

#endif
