// Allocates by each operator new that a program can call, at known places.
#include <cstdlib>
#include <new>

struct alignas(64) Wide {
	char bytes[128];
};

static __attribute__((noinline)) void *via_new(size_t n)
{
	void *p = ::operator new(n);
	__asm__ volatile("" : "+r"(p));
	return p;
}

static __attribute__((noinline)) char *via_new_array(size_t n)
{
	char *p = new char[n];
	__asm__ volatile("" : "+r"(p));
	return p;
}

static __attribute__((noinline)) Wide *via_new_aligned()
{
	Wide *p = new Wide;
	__asm__ volatile("" : "+r"(p));
	return p;
}

static __attribute__((noinline)) char *via_new_nothrow(size_t n)
{
	char *p = new (std::nothrow) char[n];
	__asm__ volatile("" : "+r"(p));
	return p;
}

int main()
{
	for (int i = 0; i < 100; i++) {
		void *p = via_new(24);
		char *q = via_new_array(100), *r = via_new_nothrow(33);
		Wide *w = via_new_aligned();
		if (i % 2) {
			::operator delete(p);
			delete[] q;
			delete w;
			delete[] r;
		}
	}
	return 0;
}
