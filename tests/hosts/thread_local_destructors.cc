/*
 * C++ thread_local objects whose destructors allocate, free, throw and catch; in threads and in main.
 * Pitfall 22 (bytehound's alloc-in-tls.cpp): allocation in destructors that run late in a thread's life.
 * Expected: "destroyed 202 of 202", status 0.
 */
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> made{0}, destroyed{0};

struct Late {
	std::map<int, std::string> content;
	Late()
	{
		made++;
		for (int i = 0; i < 50; i++)
			content[i] = std::string(static_cast<size_t>(i) * 7, 'x');
	}
	~Late()
	{
		auto more = std::make_unique<std::vector<std::string>>();
		for (int i = 0; i < 50; i++)
			more->push_back(content[i] + "longer than the small string optimisation allows");
		try {
			throw std::runtime_error(more->back());
		} catch (const std::exception &error) {
			if (std::string(error.what()).size() < 40)
				std::abort();
		}
		destroyed++;
	}
};

static thread_local Late late;
static thread_local std::unique_ptr<Late> owned;

struct Final {
	~Final()
	{
		std::printf("destroyed %d of %d\n", destroyed.load(), made.load());
	}
};
static Final final_report;

int main()
{
	for (int i = 0; i < 25; i++) {
		std::vector<std::thread> threads;
		for (int k = 0; k < 4; k++)
			threads.emplace_back([] {
				late.content[100] = "used";
				owned = std::make_unique<Late>();
			});
		for (auto &thread : threads)
			thread.join();
	}
	late.content[1] = "main's own";
	owned = std::make_unique<Late>();
	return 0;
}
