/* The flags that every layer reads; sandboxed.h. */
#include "preload/base/sandboxed.h"

_Atomic bool sandbox_entered, sandbox_suspected;
