/*
 * Throws and longjmps across frames that have allocated, past a C callback (qsort) and out of a signal handler.
 * Pitfall 30 (bytehound #17; gperftools #1144): tools that patch return addresses or count frames up and down.
 * Expected: "left frames 4000 times".
 */
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

static std::jmp_buf target;
static sigjmp_buf signal_target;
static int left;

__attribute__((noinline)) static void leave(int depth, bool by_throw)
{
	void *block = malloc(static_cast<size_t>(depth) * 100 + 1);
	void *other = calloc(1, 20000);
	free(other);
	free(block);
	if (depth == 0) {
		if (by_throw)
			throw std::string("out of here, with a text that needs memory of its own");
		std::longjmp(target, 1);
	}
	leave(depth - 1, by_throw);
	free(malloc(1));
}

static int compare_throwing(const void *a, const void *b)
{
	free(malloc(10));
	if (*static_cast<const int *>(a) == 37)
		throw 37;
	return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}

static void jump(int)
{
	free(malloc(10));
	siglongjmp(signal_target, 1);
}

int main()
{
	std::signal(SIGUSR1, jump);
	for (volatile int i = 0; i < 1000; i = i + 1) {
		try {
			leave(30, true);
		} catch (const std::string &) {
			left++;
		}
		if (setjmp(target) == 0)
			leave(30, false);
		else
			left++;
		if (sigsetjmp(signal_target, 1) == 0)
			raise(SIGUSR1);
		else
			left++;
		int numbers[100];
		for (int k = 0; k < 100; k++)
			numbers[k] = (k * 7) % 100;
		try {
			qsort(numbers, 100, sizeof(int), compare_throwing);
		} catch (int) {
			left++;
		}
		free(malloc(500));
	}
	std::printf("left frames %d times\n", left);
	return 0;
}
