/*
 * The hooks' other way with guard=1: every block from a guarded slab or with a canary of its own (guard.h), its size
 * known exactly, its free remembered.
 *
 * Costs two captures of the stack a pair, a fill and a comparison of the slot, and 16 MiB that wait in the quarantine.
 * Calls are those of interpose.c: between heap_enter() and heap_leave(), with the registers of the hook.
 *
 * Nested calls (heap.h) get and give guarded blocks as well, but have no stacks, and what they free does not wait.
 */
#ifndef MUDLARK_GUARDED_H
#define MUDLARK_GUARDED_H

#include "preload/arch/registers.h"
#include "preload/heap/damage.h"
#include "preload/heap/guard.h"
#include "preload/heap/heap.h"
#include "preload/heap/large.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A block; NULL without errno when there is no memory. Recorded if recording is on. */
void *guarded_allocate(struct heap **heap, size_t size, size_t alignment, bool zero, const struct registers *from);

/* Whether p is a live block of the guarded slab; says so if not. */
bool guarded_slot_is_live(struct heap *heap, struct slab *slab, const void *p, enum snapshot_found_by found_by,
			  const struct registers *from);

/*
 * Frees what may be a block of the guarded slab. before: the block's cohort, where its record no longer has it; 0: it
 * has.
 */
void guarded_free(struct heap *heap, struct slab *slab, void *p, uint32_t before, const struct registers *from);

/* Frees a large block whose death is counted. cohort: its own, as above. */
void guarded_free_large(struct heap *heap, void *p, struct large_record *record, uint32_t cohort,
			const struct registers *from);

/* Looks at a block's canary before it is resized. */
void guarded_check(struct heap *heap, struct slab *slab, void *p, const struct registers *from);
void guarded_check_large(struct heap *heap, void *p, const struct large_record *record, const struct registers *from);

/* Whether a block that was checked stays where it is with the new size; then its record and canary are new. */
bool guarded_resize(struct heap *heap, struct slab *slab, void *p, size_t size, const struct registers *from);

/* free_sized() says that the block has `given` bytes. Says so if not. */
void guarded_check_size(struct heap *heap, const void *p, size_t given, const struct registers *from);

/* A misuse that only has an address, and the call that it was found by. */
void guarded_misused(struct heap *heap, enum snapshot_misuse misuse, enum snapshot_found_by found_by, const void *p,
		     const struct registers *from);

#endif
