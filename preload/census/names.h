/*
 * The names of Python objects, read without running any code: of types, modules, functions, and of the edge that leads
 * from one object to another, such as a dict's key or a local variable.
 */
#ifndef MUDLARK_CENSUS_NAMES_H
#define MUDLARK_CENSUS_NAMES_H

#include "preload/base/text.h"
#include "preload/census/objects.h"

/* "module.Name"; of a built-in type its name alone. */
void census_type_name(const struct census_objects *objects, uintptr_t type, struct text *out);

/* The name of the object itself, if it is a module, a class or a function; otherwise nothing. */
void census_label(const struct census_objects *objects, const struct census_object *object, struct text *out);

/*
 * How `from` holds `to`: ".name" an attribute or a module's variable, "['key']" a dict's value, "[3]" an element,
 * "(name)" a local variable; nothing: it is not known. is_namespace: a dict's keys are attributes.
 */
void census_edge(const struct census_objects *objects, const struct census_object *from, bool is_namespace,
		 const struct census_object *to, struct text *out);

/* Returns whether the dict has the instance's attributes: its place in the instance has no name. */
bool census_is_instance_dict(const struct census_objects *objects, const struct census_object *owner,
			     const struct census_object *dict);

/* Returns whether the type's name, with or without its module, has this request_hash(). */
bool census_type_matches(const struct census_objects *objects, uintptr_t type, uint32_t hash);

/* The name of the code's function. */
void census_code_label(uintptr_t code, struct text *out);
/* The name of the code's local variable number `index`: of its own ones, those in cells, and free ones. */
void census_local_name(const struct census_objects *objects, uintptr_t code, uint32_t index, struct text *out);
/* How many there are. */
uint32_t census_locals(const struct census_objects *objects, uintptr_t code);
/* The name of the free variable whose cell the function has. */
void census_free_variable(const struct census_objects *objects, uintptr_t function, uintptr_t cell, struct text *out);

#endif
