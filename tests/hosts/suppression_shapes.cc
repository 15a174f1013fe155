/*
 * Loses a block from functions of each form of name: of C, of a class, of a template whose arguments are templates, of
 * no name's space, a lambda, an inlined function; by malloc, operator new, and what libc allocates for its caller.
 * Pitfall: a suppression that names a function as the tool that reads it does not.
 * Expected: what tests/e2e/test_suppression_oracles.c has.
 */
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#define APART __attribute__((noinline))

static void *volatile last;

/* Nobody has the block afterwards. */
static APART void lose(void *block)
{
	last = block;
	last = nullptr;
}

/* What calls left on the stack is overwritten. */
static APART void wipe()
{
	volatile char rest[32768];
	for (unsigned i = 0; i < sizeof rest; i++)
		rest[i] = 0;
}

extern "C" APART void lose_plain()
{
	lose(malloc(101));
}

namespace shapes
{

class holder
{
      public:
	APART void lose_array(int count) const
	{
		lose(new char[static_cast<unsigned>(count)]);
	}
	APART void operator()(const char *text, unsigned long = 0) const
	{
		lose(strdup(text));
	}
};

template <class Key, class Value> struct table {
	template <class Other> APART void lose_in_template(const std::map<Key, std::vector<Value>> *, Other)
	{
		lose(calloc(1, sizeof(Key) + 103));
	}
};

} // namespace shapes

namespace
{

APART void lose_hidden(std::pair<int, char *>)
{
	void *block = nullptr;
	if (posix_memalign(&block, 64, 104) == 0)
		lose(block);
}

} // namespace

static inline __attribute__((always_inline)) void lose_inline()
{
	lose(realloc(nullptr, 105));
}

static APART void has_inline()
{
	lose_inline();
	last = nullptr;
}

int main()
{
	lose_plain();
	shapes::holder().lose_array(102);
	shapes::holder()("a text of some length, which strdup copies");
	shapes::table<int, std::vector<char>>().lose_in_template(nullptr, std::pair<int, std::vector<long>>());
	lose_hidden({});
	auto lose_in_lambda = [](int size) APART { lose(malloc(static_cast<unsigned>(size))); };
	lose_in_lambda(106);
	has_inline();
	wipe();
	return 0;
}
