/* The library of application.c. */
void run(void (*callback)(int), int times);

void run(void (*callback)(int), int times)
{
	for (int i = 0; i < times; i++)
		callback(i);
}
