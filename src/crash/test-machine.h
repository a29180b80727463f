/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made machine for tests of the walk and the capture image: files and links below a directory,
 * and answers in place of those that a living kernel gives. */
#ifndef US_CRASH_TEST_MACHINE_H
#define US_CRASH_TEST_MACHINE_H

#include "base/cleanup.h"
#include "base/file.h"
#include "crash/lvm-int.h"
#include "crash/walk-int.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PCI "sys/devices/pci0000:00/"

struct machine {
	char dir[64];
	struct us_host host;
	const char *tables[8][2]; /* "253:0", its table */
	struct us_crash_config *config;
	struct us_walk_result *walk;
	struct us_capture_image *image;
};

static inline struct us_err *dm_table(void *data, unsigned int major, unsigned int minor,
				      struct us_pool *pool, const char **ret)
{
	const struct machine *m = data;
	char number[32];

	snprintf(number, sizeof(number), "%u:%u", major, minor);
	for (size_t i = 0; i < us_array_size(m->tables) && m->tables[i][0]; i++)
		if (!strcmp(m->tables[i][0], number)) {
			*ret = us_pool_strdup(pool, m->tables[i][1]);
			return NULL;
		}
	return us_err_new(US_ERR_NOT_FOUND, "no table for %s", number);
}

static inline struct us_err *addresses(void *data, const char *interface, struct us_pool *pool,
				       const char *const **ret)
{
	static const char *const all[] = { "192.0.2.15/24", "10.0.2.15/24", "2001:db8::15/64",
					   "fe80::1/64", NULL };

	(void)data, (void)interface, (void)pool;
	*ret = all;
	return NULL;
}

static inline struct us_err *resolve(void *data, const char *host, struct us_pool *pool,
				     const char *const **ret)
{
	const char **all = us_pool_array(pool, 2, sizeof(*all));

	(void)data;
	assert_non_null(all);
	all[0] = us_pool_strdup(pool, !strcmp(host, "far") ? "198.51.100.7" : host);
	*ret = all;
	return NULL;
}

static inline struct us_err *lvm_text(int fd, struct us_blob *ret)
{
	static const char text[] =
		"vg {\nid = \"aaaabb-bbcc-ccdd-ddee-eeff-ffgg-gghhhh\"\nextent_size = 8192\n"
		"physical_volumes { pv0 { id = \"v00000\" pe_start = 2048 } }\n"
		"logical_volumes { lv { id = \"000011-1122-2233-3344-4455-5566-667777\"\n"
		" segment1 { stripes = [ \"pv0\", 0 ] } } }\n}\n";
	char first;

	/* sda holds no copy: the first byte of the other one is not 0 */
	if (pread(fd, &first, 1, 0) != 1 || !first)
		return us_err_new(US_ERR_NOT_FOUND, "no text");
	return us_blob_copy(us_bytes_of(text, strlen(text)), ret);
}

static inline void parents(const struct machine *m, const char *path, char *ret_full)
{
	snprintf(ret_full, PATH_MAX, "%s/%s", m->dir, path);
	for (char *p = ret_full + strlen(m->dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(ret_full, 0700);
		*p = '/';
	}
}

static inline void put_bytes(const struct machine *m, const char *path, size_t at, const void *p,
			     size_t n)
{
	char full[PATH_MAX];

	parents(m, path, full);
	_us_close_ int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
}

static inline void put(const struct machine *m, const char *path, const char *text)
{
	put_bytes(m, path, 0, text, strlen(text));
}

static inline void put_link(const struct machine *m, const char *path, const char *to)
{
	char full[PATH_MAX];

	parents(m, path, full);
	assert_int_equal(symlink(to, full), 0);
}

/* A device with a driver that is a module. */
static inline void put_driver(const struct machine *m, const char *device, const char *driver,
			      const char *module)
{
	char path[256], to[256];

	snprintf(path, sizeof(path), "%s/driver", device);
	snprintf(to, sizeof(to), "/sys/bus/x/drivers/%s", driver);
	put_link(m, path, to);
	if (!module)
		return;
	snprintf(path, sizeof(path), "sys/bus/x/drivers/%s/module", driver);
	snprintf(to, sizeof(to), "../../../../module/%s", module);
	put_link(m, path, to);
}

/* A block device: size and number, known in /sys/dev/block and /sys/class/block. */
static inline void put_block(const struct machine *m, const char *sys, const char *number,
			     bool partition)
{
	char path[256], to[256];

	snprintf(path, sizeof(path), "%s/size", sys);
	put(m, path, "2048000\n");
	snprintf(path, sizeof(path), "%s/dev", sys);
	snprintf(to, sizeof(to), "%s\n", number);
	put(m, path, to);
	if (partition) {
		snprintf(path, sizeof(path), "%s/partition", sys);
		put(m, path, "1\n");
	}
	snprintf(to, sizeof(to), "../../../%s", sys);
	snprintf(path, sizeof(path), "sys/dev/block/%s", number);
	put_link(m, path, to);
	snprintf(path, sizeof(path), "sys/class/block/%s", us_walk_base(sys));
	put_link(m, path, to);
}

static inline void put_ext4(const struct machine *m, const char *node)
{
	put_bytes(m, node, 1024 + 56, "\x53\xef", 2);
	put_bytes(m, node, 1024 + 104, "0123456789abcdef", 16);
	put_bytes(m, node, 8191, "", 1);
}

static inline void put_virtio(const struct machine *m)
{
	put_block(m, PCI "0000:00:02.0/virtio1/block/vda", "254:0", false);
	put_driver(m, PCI "0000:00:02.0", "virtio-pci", "virtio_pci");
	put(m, PCI "0000:00:02.0/modalias", "pci:v00001AF4\n");
	put_driver(m, PCI "0000:00:02.0/virtio1", "virtio_blk", "virtio_blk");
	put_block(m, PCI "0000:00:02.0/virtio1/block/vda/vda1", "254:1", true);
}

static inline int setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	strcpy(m->dir, "/tmp/test-walk-XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	m->host.root = m->dir;
	m->host.root_fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(m->host.root_fd >= 0);
	*state = m;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static inline int teardown(void **state)
{
	struct machine *m = *state;

	us_walk_result_free(m->walk);
	us_crash_config_free(m->config);
	us_capture_image_free(m->image);
	us_pool_deinit(&m->host.pool);
	close(m->host.root_fd);
	nftw(m->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(m);
	return 0;
}

static inline void no_error(struct us_err *err)
{
	if (err)
		fail_msg("%s", err->text);
}

static inline const struct us_walk_result *walk(struct machine *m, const char *config)
{
	const struct us_walk_sources sources = { dm_table, addresses, resolve, lvm_text, m };

	no_error(us_crash_config_parse(us_bytes_of(config, strlen(config)), "conf", &m->config));
	no_error(us_walk_with(&m->host, m->config, &sources, &m->walk));
	return m->walk;
}

/* The names of the wanted modules, with a space behind each. */
static inline const char *wanted(struct machine *m)
{
	char *names = us_pool_strdup(&m->host.pool, "");

	for (size_t i = 0; i < m->walk->n_modules; i++)
		names = us_pool_format(&m->host.pool, "%s%s ", names, m->walk->modules[i].name);
	return names;
}

#endif
