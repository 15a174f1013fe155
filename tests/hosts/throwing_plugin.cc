/* A C++ plugin for hosts in C: throws and catches, and lets an exception cross its own frames. */
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

static void throw_deep(int depth)
{
	std::vector<int> held(static_cast<size_t>(depth) + 1);
	if (depth == 0)
		throw std::runtime_error("from the plugin");
	throw_deep(depth - 1);
}

extern "C" int plugin_throw()
{
	int caught = 0;
	for (int i = 0; i < 100; i++) {
		try {
			throw_deep(i % 30);
		} catch (const std::runtime_error &) {
			caught++;
		}
	}
	try {
		std::string huge;
		huge.reserve(static_cast<size_t>(1) << 60);
	} catch (const std::exception &) {
		caught++;
	}
	try {
		static volatile size_t bytes = static_cast<size_t>(1) << 60;
		char *volatile block = new char[bytes];
		delete[] block;
	} catch (const std::bad_alloc &) {
		caught++;
	}
	return caught;
}
