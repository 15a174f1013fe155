/*
 * operator new fails, its new_handler allocates, throws, or lets it try again.
 * Pitfall 36: an exception that leaves through the tool's frames while its guard is held turns recording off for good.
 * Expected: "handled 300, retried 10"; 7 leaked blocks of 888 bytes made afterwards are in the snapshot.
 */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>

static int handled, retried;
static volatile size_t too_many = static_cast<size_t>(1) << 60;
void *volatile leaked[7];

static void throw_other()
{
	free(malloc(100));
	throw std::runtime_error("handler");
}

static void retry_once_then_throw()
{
	static bool second;
	second = !second;
	if (!second)
		throw std::bad_alloc();
	retried++;
}

int main()
{
	for (int i = 0; i < 100; i++) {
		std::set_new_handler(throw_other);
		try {
			delete[] new char[too_many];
		} catch (const std::runtime_error &) {
			handled++;
		}
		std::set_new_handler(nullptr);
		try {
			delete[] new char[too_many];
		} catch (const std::bad_alloc &) {
			handled++;
		}
		handled += new (std::nothrow) char[too_many] == nullptr;
	}
	std::set_new_handler(retry_once_then_throw);
	for (int i = 0; i < 10; i++) {
		try {
			delete[] new char[too_many];
		} catch (const std::bad_alloc &) {
		}
	}
	for (auto &block : leaked)
		block = malloc(888);
	std::printf("handled %d, retried %d\n", handled, retried);
	return 0;
}
