/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of pack: every codec unpacks what its own tool wrote, stops at the end of the stream, and
 * names the offset when the stream is cut, damaged or too large. */
#include "pack/pack.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define WORD  "understudy\n"
#define WORDS 3000
#define BYTES (WORDS * (sizeof(WORD) - 1))

/* WORDS times WORD, by gzip, bzip2, xz, zstd, lz4 and lzop themselves. */
static const struct {
	const char *name;
	enum us_codec_id id;
	size_t n;
	const char *p;
} samples[] = {
	{ "gzip", US_CODEC_GZIP, 111,
	  "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc6\xa1\x11\x00\x20\x0c\x04\x30\xcf"
	  "\x9c\xc5\x22\x80\x17\xdd\x9e\x3d\xb8\x44\x25\xab\xe6\x3e\x37\xd5\x23\xaa\xaa\xaa"
	  "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
	  "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
	  "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
	  "\xfa\x77\x1f\x6c\x83\x84\x0a\xe8\x80\x00\x00" },
	{ "bzip2", US_CODEC_BZIP2, 76,
	  "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x40\x76\xb8\x5a\x00\x3a\x97\xc1\x80\x00"
	  "\x10\x06\x01\x1e\x20\x20\x00\x70\x41\x93\x10\x26\xaa\x26\x9a\x7a\x99\x50\x85\xca"
	  "\x84\x2c\xa8\x42\xe5\x42\x16\xaa\x10\xbd\xa8\x42\xed\x42\x17\xd5\x08\x59\x50\x85"
	  "\x95\x08\x5d\xa8\x42\xfc\x5d\xc9\x14\xe1\x42\x41\x01\xda\xe1\x68" },
	{ "lzma", US_CODEC_LZMA, 98,
	  "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x3a\x9b\x88\xb0\x57\x78"
	  "\xde\x1c\x27\xf3\x62\xb8\xe7\x75\xc5\x48\x49\xd9\x07\x8f\x7a\xaa\x43\xa1\x38\x06"
	  "\xb8\xed\x03\x9b\x64\xf7\x01\x34\x9f\xc4\x46\x35\x1d\xb9\x81\xf8\xa7\x10\xed\xd2"
	  "\xec\x4c\x30\x0b\xe9\xab\x51\x86\x0f\x00\xd1\x28\x26\x0a\x2e\xaa\xf1\xdc\x94\xdd"
	  "\xeb\xf1\x6d\x89\xd2\x83\xf0\xed\xd4\xaf\x8d\x0f\xff\xff\xfa\xa9\x00\x00" },
	{ "xz", US_CODEC_XZ, 140,
	  "\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x16\x00\x00\x00"
	  "\x74\x2f\xe5\xa3\xe0\x80\xe7\x00\x4e\x5d\x00\x3a\x9b\x88\xb0\x57\x78\xde\x1c\x27"
	  "\xf3\x62\xb8\xe7\x75\xc5\x48\x49\xd9\x07\x8f\x7a\xaa\x43\xa1\x38\x06\xb8\xed\x03"
	  "\x9b\x64\xf7\x01\x34\x9f\xc4\x46\x35\x1d\xb9\x81\xf8\xa7\x10\xed\xd2\xec\x4c\x30"
	  "\x0b\xe9\xab\x51\x86\x0f\x00\xd1\x28\x26\x0a\x2e\xaa\xf1\xdc\x94\xdd\xeb\xf1\x6d"
	  "\x89\xd2\x83\xf0\xed\xd4\x65\x6d\x00\x00\x00\x00\x6c\x83\x84\x0a\x00\x01\x66\xe8"
	  "\x81\x02\x00\x00\xb4\xb1\x3d\x53\x3e\x30\x0d\x8b\x02\x00\x00\x00\x00\x01\x59\x5a" },
	{ "xz, x86 filter", US_CODEC_XZ, 140,
	  "\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x01\x04\x00\x21\x01\x10\x00"
	  "\x8b\x21\x6f\x49\xe0\x80\xe7\x00\x4e\x5d\x00\x3a\x9b\x88\xb0\x57\x78\xde\x1c\x27"
	  "\xf3\x62\xb8\xe7\x75\xc5\x48\x49\xd9\x07\x8f\x7a\xaa\x43\xa1\x38\x06\xb8\xed\x03"
	  "\x9b\x64\xf7\x01\x34\x9f\xc4\x46\x35\x1d\xb9\x81\xf8\xa7\x10\xed\xd2\xec\x4c\x30"
	  "\x0b\xe9\xab\x51\x86\x0f\x00\xd1\x28\x26\x0a\x2e\xaa\xf1\xdc\x94\xdd\xeb\xf1\x6d"
	  "\x89\xd2\x83\xf0\xed\xd4\x65\x6d\x00\x00\x00\x00\x6c\x83\x84\x0a\x00\x01\x66\xe8"
	  "\x81\x02\x00\x00\xb4\xb1\x3d\x53\x3e\x30\x0d\x8b\x02\x00\x00\x00\x00\x01\x59\x5a" },
	{ "zstd", US_CODEC_ZSTD, 32,
	  "\x28\xb5\x2f\xfd\x04\x68\x9d\x00\x00\x58\x75\x6e\x64\x65\x72\x73\x74\x75\x64\x79"
	  "\x0a\x01\x00\xda\x00\xeb\xc5\x0b\xca\xfe\xc2\x40" },
	{ "lz4 legacy", US_CODEC_LZ4, 158,
	  "\x02\x21\x4c\x18\x96\x00\x00\x00\xbf\x75\x6e\x64\x65\x72\x73\x74\x75\x64\x79\x0a"
	  "\x0b\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x46\x50\x74\x75\x64\x79\x0a" },
	{ "lz4 frame", US_CODEC_LZ4, 169,
	  "\x04\x22\x4d\x18\x64\x40\xa7\x96\x00\x00\x00\xbf\x75\x6e\x64\x65\x72\x73\x74\x75"
	  "\x64\x79\x0a\x0b\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x46\x50\x74\x75\x64\x79"
	  "\x0a\x00\x00\x00\x00\x54\xe2\xb8\xf0" },
	{ "lzo", US_CODEC_LZO, 249,
	  "\x89\x4c\x5a\x4f\x00\x0d\x0a\x1a\x0a\x10\x40\x20\xa0\x09\x40\x03\x09\x03\x00\x00"
	  "\x0d\x00\x00\x00\x00\x6b\x02\x0d\x62\x00\x00\x00\x00\x00\x26\x44\x02\x52\x00\x00"
	  "\x80\xe8\x00\x00\x00\xc3\x81\xad\x53\xb6\x1c\x75\x6e\x64\x65\x72\x73\x74\x75\x64"
	  "\x79\x0a\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00"
	  "\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00"
	  "\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00"
	  "\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20"
	  "\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28"
	  "\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00"
	  "\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00"
	  "\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00"
	  "\x00\x00\x00\x00\xe6\x28\x00\x20\x00\x00\x00\x00\x00\x00\x00\xe6\x28\x00\x20\xbc"
	  "\x28\x00\x11\x00\x00\x00\x00\x00\x00" },
};

static struct us_bytes sample(size_t i)
{
	return us_bytes_of(samples[i].p, samples[i].n);
}

static void assert_words(struct us_bytes b)
{
	for (size_t i = 0; i < b.n; i += sizeof(WORD) - 1)
		assert_true(us_bytes_match(b, i, WORD, sizeof(WORD) - 1));
}

static void test_codecs_are_known_by_magic_and_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		const struct us_codec *codec = us_codec_by_magic(sample(i));

		assert_non_null(codec);
		assert_int_equal(codec->id, samples[i].id);
		assert_ptr_equal(codec, us_codec_by_id(samples[i].id));
		assert_ptr_equal(codec, us_codec_by_name(codec->name));
	}
	assert_int_equal(us_codec_by_name("xzkern")->id, US_CODEC_XZ);
	assert_int_equal(us_codec_by_name("zstd22")->id, US_CODEC_ZSTD);
	assert_null(us_codec_by_name("rot13"));
	assert_null(us_codec_by_magic(us_bytes_of("\x1f", 1)));
	assert_null(us_codec_by_magic(us_bytes_of("", 0)));
}

static void test_unpack_gives_the_whole_and_stops_at_the_end(void **state)
{
	const uint64_t hints[] = { 0, 1, BYTES, BYTES * 2 };

	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		_us_blob_deinit_ struct us_blob in = { 0 };

		/* the size that the kernel's build appends */
		assert_null(us_blob_new(samples[i].n + 4, &in));
		memcpy(in.p, samples[i].p, samples[i].n);
		us_put_le32(in.p + samples[i].n, BYTES);
		for (size_t h = 0; h < us_array_size(hints); h++) {
			_us_blob_deinit_ struct us_blob out = { 0 };
			size_t eaten = 0;

			assert_null(us_unpack(us_codec_by_id(samples[i].id), us_blob_bytes(&in),
					      BYTES, hints[h], NULL, &out, &eaten));
			assert_int_equal(out.n, BYTES);
			assert_int_equal(eaten, samples[i].n);
			assert_words(us_blob_bytes(&out));
		}
	}
}

static void test_following_streams_are_one_except_for_lzma_and_lzo(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		_us_blob_deinit_ struct us_blob in = { 0 }, out = { 0 };
		bool one = samples[i].id == US_CODEC_LZMA || samples[i].id == US_CODEC_LZO;
		size_t n = samples[i].n, eaten = 0;

		assert_null(us_blob_new(2 * n, &in));
		memcpy(in.p, samples[i].p, n);
		memcpy(in.p + n, samples[i].p, n);
		assert_null(us_unpack(us_codec_by_id(samples[i].id), us_blob_bytes(&in), 2 * BYTES,
				      0, NULL, &out, &eaten));
		assert_int_equal(out.n, one ? BYTES : 2 * BYTES);
		assert_int_equal(eaten, one ? n : 2 * n);
		assert_words(us_blob_bytes(&out));
	}
}

static void test_a_cut_stream_is_refused_with_its_offset(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		for (size_t n = 0; n < samples[i].n; n++) {
			_us_blob_deinit_ struct us_blob out = { 0 };
			_us_err_free_ struct us_err *err = us_unpack(
				us_codec_by_id(samples[i].id), us_bytes_of(samples[i].p, n), BYTES,
				n % 2 ? BYTES : 0, NULL, &out, NULL);

			assert_non_null(err);
			assert_int_equal(err->code, US_ERR_BAD_DATA);
			assert_non_null(strstr(err->text, " at 0x"));
			assert_null(out.p);
		}
	}
}

static void test_more_than_max_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		_us_blob_deinit_ struct us_blob out = { 0 };
		_us_err_free_ struct us_err *err =
			us_unpack(us_codec_by_id(samples[i].id), sample(i), BYTES - 1, BYTES - 1,
				  NULL, &out, NULL);

		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_BAD_DATA);
		assert_non_null(strstr(err->text, "more than 0x80e7 bytes"));
	}
}

/* Whatever a flipped bit does, it does not do more than max and ends. */
static void test_flipped_bits_end_in_bounds(void **state)
{
	unsigned int refused = 0;

	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		_us_blob_deinit_ struct us_blob in = { 0 };

		assert_null(us_blob_copy(sample(i), &in));
		for (size_t bit = 0; bit < 8 * samples[i].n; bit++) {
			_us_blob_deinit_ struct us_blob out = { 0 };
			struct us_err *err;

			in.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			err = us_unpack(us_codec_by_id(samples[i].id), us_blob_bytes(&in), BYTES,
					bit % 2 ? BYTES : 0, NULL, &out, NULL);
			in.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			refused += err != NULL;
			assert_true(err || out.n <= BYTES);
			us_err_free(err);
		}
	}
	assert_true(refused > 1000);
}

struct gathered {
	size_t n, calls;
	bool fail;
};

static struct us_err *gather(void *data, struct us_bytes out)
{
	struct gathered *g = data;

	if (g->fail)
		return us_err_new(US_ERR_NO_ROOM, "the sink is full");
	g->n += out.n;
	g->calls++;
	return NULL;
}

static void test_a_sink_gets_all_and_may_stop_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(samples); i++) {
		const struct us_codec *codec = us_codec_by_id(samples[i].id);
		struct gathered g = { 0 };
		struct us_err *err;
		size_t eaten;

		assert_null(us_unpack_to(codec, sample(i), BYTES, gather, &g, NULL, &eaten));
		assert_int_equal(g.n, BYTES);
		assert_true(g.calls > 0);
		g.fail = true;
		err = us_unpack_to(codec, sample(i), BYTES, gather, &g, NULL, &eaten);
		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_NO_ROOM);
		us_err_free(err);
	}
}

static void told(struct us_progress *p, const char *what, uint64_t done, uint64_t total)
{
	assert_non_null(what);
	assert_true(done <= total);
	*(uint64_t *)p->data = done;
}

static void test_progress_reaches_the_end(void **state)
{
	_us_blob_deinit_ struct us_blob out = { 0 };
	uint64_t done = 0;
	struct us_progress progress = { .at = told, .data = &done };

	(void)state;
	assert_null(
		us_unpack(us_codec_by_id(US_CODEC_XZ), sample(3), BYTES, 0, &progress, &out, NULL));
	assert_int_equal(done, samples[3].n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codecs_are_known_by_magic_and_name),
		cmocka_unit_test(test_unpack_gives_the_whole_and_stops_at_the_end),
		cmocka_unit_test(test_following_streams_are_one_except_for_lzma_and_lzo),
		cmocka_unit_test(test_a_cut_stream_is_refused_with_its_offset),
		cmocka_unit_test(test_more_than_max_is_refused),
		cmocka_unit_test(test_flipped_bits_end_in_bounds),
		cmocka_unit_test(test_a_sink_gets_all_and_may_stop_it),
		cmocka_unit_test(test_progress_reaches_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
