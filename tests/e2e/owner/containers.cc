// A program whose memory is in containers: their code is the C++ library's, the blocks are the program's.
#include <map>
#include <string>
#include <vector>

struct entry {
	std::string name;
	std::vector<int> values;
};

static std::map<int, entry> *table = new std::map<int, entry>;

__attribute__((noinline)) static void fill_entry(entry &e, int i)
{
	e.name = std::string(100, 'a') + std::to_string(i);
	for (int j = 0; j < 3000; j++)
		e.values.push_back(j);
}

__attribute__((noinline)) static void fill_all(int count)
{
	for (int i = 0; i < count; i++)
		fill_entry((*table)[i], i);
}

int main()
{
	fill_all(500);
	return table->size() != 500;
}
