/*
 * For some seconds one thread dlopens and dlcloses, another throws and catches, and eight allocate from deep stacks.
 * Pitfall 26 (gperftools #436, #382, #1210, #1188, #775, #69, #947; jemalloc #2025, #2282, #2505; libbacktrace #20;
 * ray PR #48671): malloc under the loader's lock, and the unwinder wanting that lock.
 * Expected: ends, "dlopen, malloc and throw".
 */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<bool> stop{false};
static std::atomic<long> opened{0}, thrown{0};

__attribute__((noinline)) static int deep(int depth)
{
	void *block = malloc(static_cast<size_t>(depth) * 50 + 1);
	int sum = depth == 0 ? 0 : deep(depth - 1) + 1;
	free(block);
	return sum;
}

__attribute__((noinline)) static void throw_from(int depth)
{
	std::string held(static_cast<size_t>(depth) + 40, 'x');
	if (depth == 0)
		throw std::runtime_error("thrown " + held);
	throw_from(depth - 1);
}

int main(int argc, char **argv)
{
	const int seconds = argc > 1 ? std::atoi(argv[1]) : 10;
	std::vector<std::thread> threads;
	for (const char *name : {"libplugin_a.so", "libplugin_b.so"})
		threads.emplace_back([name] {
			std::string path = std::string(getenv("HOSTS")) + "/" + name;
			while (!stop) {
				void *plugin = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
				if (plugin == nullptr)
					std::abort();
				auto allocate = reinterpret_cast<void *(*)(size_t)>(dlsym(plugin, "plugin_allocate"));
				free(allocate(100));
				dlclose(plugin);
				opened++;
			}
		});
	for (int i = 0; i < 2; i++)
		threads.emplace_back([] {
			while (!stop) {
				try {
					throw_from(20);
				} catch (const std::exception &) {
					thrown++;
				}
			}
		});
	for (int i = 0; i < 8; i++)
		threads.emplace_back([] {
			while (!stop)
				if (deep(40) != 40)
					std::abort();
		});
	/* The signal by which snapshots are asked for may end it early. */
	timespec left = {seconds, 0};
	while (nanosleep(&left, &left) != 0) {
	}
	stop = true;
	for (auto &thread : threads)
		thread.join();
	if (opened < 10 || thrown < 10) {
		std::fprintf(stderr, "opened %ld thrown %ld\n", opened.load(), thrown.load());
		return 1;
	}
	std::puts("dlopen, malloc and throw");
	return 0;
}
