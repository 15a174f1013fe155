/* Runs a function on another stack: libunwind needs kilobytes that a signal stack or a small thread does not have. */
#ifndef MUDLARK_ON_STACK_H
#define MUDLARK_ON_STACK_H

/* stack_top is 16-byte aligned. The frames of the caller stay visible to unwinders. */
void on_stack_call(void *stack_top, void (*function)(void *), void *argument);

#endif
