/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage: fuzz-NAME-replay [--damage N] FOLDER... runs a fuzz target over every file of a corpus,
 * without clang's libFuzzer, and over N damaged variants of each: cut, with numbers at their
 * extremes in the headers, with noise; always the same ones. Each input has a heap block of its
 * exact size, so that a sanitizer sees every step outside. A corpus without files is a failure.
 */
#include "fuzz.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <string.h>

/* xorshift64: enough to be everywhere, the same on every machine. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Headers are at the front, and of dumps in the second block of 4096 bytes, too. */
static size_t place(uint64_t *state, size_t size)
{
	uint64_t kind = next_random(state) % 4, at = next_random(state);

	at = kind == 0 ? at % 512 : kind == 1 ? 4096 + at % 512 : at % size;
	return at < size ? at & ~3ull : 0;
}

static void replay_damaged(const uint8_t *data, size_t size, unsigned int number)
{
	static const uint64_t extremes[] = {
		0, 1, 0xffffffff, UINT64_MAX, 0x80000000, INT64_MAX, 0x7fffffff, UINT64_MAX - 4095,
	};
	uint64_t state = 0x9e3779b97f4a7c15ull * (number + 1) + size;
	uint8_t *copy;

	if (number % 5 == 4 && size)
		size = next_random(&state) % size;
	copy = malloc(size);
	if (!copy && size)
		abort();
	if (size)
		memcpy(copy, data, size);
	for (unsigned int i = 0; number % 5 != 4 && size && i < 1 + number % 3; i++) {
		size_t at = place(&state, size), room = size - at;
		uint64_t value = next_random(&state);

		if (number % 5 != 3)
			value = extremes[value % (sizeof(extremes) / sizeof(extremes[0]))];
		memcpy(copy + at, &value, room < 8 ? room : number % 2 ? 4 : 8);
	}
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int replay_file(const char *folder, const char *name, unsigned int damaged)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_free_ uint8_t *copy = NULL;
	_us_err_free_ struct us_err *err = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	err = us_file_map(path, &blob);
	if (err) {
		fprintf(stderr, "%s\n", err->text);
		return 1;
	}
	copy = malloc(blob.n);
	if (!copy && blob.n)
		return 1;
	if (blob.n)
		memcpy(copy, blob.p, blob.n);
	LLVMFuzzerTestOneInput(copy, blob.n);
	for (unsigned int i = 0; i < damaged; i++)
		replay_damaged(copy, blob.n, i);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int files = 0, damaged = 0;
	int failed = 0, first = 1;

	if (argc > 2 && strcmp(argv[1], "--damage") == 0) {
		damaged = (unsigned int)strtoul(argv[2], NULL, 10);
		first = 3;
	}
	for (int i = first; i < argc; i++) {
		_us_closedir_ DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		if (!dir) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			failed |= replay_file(argv[i], entry->d_name, damaged);
			files++;
		}
	}
	printf("%u inputs replayed, %u damaged ones\n", files, files * damaged);
	return failed || !files;
}
