/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only a living kernel can be asked: tables of device mapper (DM_TABLE_STATUS on
 * /dev/mapper/control, include/uapi/linux/dm-ioctl.h), addresses of interfaces, names of hosts.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "crash/lvm-int.h"
#include "crash/walk-int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/dm-ioctl.h>
#include <netdb.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#define TABLE_BYTES_MAX (4u << 20)
#define ADDRESSES_MAX   16

static struct us_err *table_text(struct us_bytes answer, uint32_t targets, struct us_pool *pool,
				 const char **ret)
{
	_us_text_deinit_ struct us_text text = { 0 };
	struct us_bytes rest = answer;
	uint64_t at = 0;

	for (uint32_t i = 0; i < targets; i++) {
		struct dm_target_spec spec;
		_us_free_ char *params = NULL;
		struct us_bytes head;

		US_TRY(us_bytes_sub(rest, at, sizeof(spec), "a target of the table", &head));
		memcpy(&spec, head.p, sizeof(spec));
		US_TRY(us_bytes_text(rest, at + sizeof(spec), TABLE_BYTES_MAX, "its parameters",
				     &params));
		us_text_add(&text, "%llu %llu %.*s%s%s\n", (unsigned long long)spec.sector_start,
			    (unsigned long long)spec.length, (int)sizeof(spec.target_type),
			    spec.target_type, *params ? " " : "", params);
		at = spec.next; /* from the start of the first */
	}
	*ret = us_pool_strdup(pool, text.s ? text.s : "");
	return *ret && !text.failed ? NULL : us_err_nomem();
}

static struct us_err *dm_table(void *data, unsigned int major, unsigned int minor,
			       struct us_pool *pool, const char **ret)
{
	_us_close_ int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	(void)data;
	if (fd < 0)
		return us_err_os(errno, "/dev/mapper/control");
	for (size_t n = 16384; n <= TABLE_BYTES_MAX; n *= 4) {
		_us_blob_deinit_ struct us_blob blob = { 0 };

		US_TRY(us_blob_new(n, &blob));
		struct dm_ioctl *io = (struct dm_ioctl *)(void *)blob.p;
		*io = (struct dm_ioctl){
			.version = { 4, 0, 0 },
			.data_size = (uint32_t)n,
			.data_start = sizeof(*io),
			.dev = makedev(major, minor),
			.flags = DM_STATUS_TABLE_FLAG | DM_SECURE_DATA_FLAG,
		};
		if (ioctl(fd, DM_TABLE_STATUS, io) < 0)
			return us_err_os(errno, "the table of device %u:%u", major, minor);
		if (io->flags & DM_BUFFER_FULL_FLAG)
			continue;
		struct us_bytes answer;
		US_TRY(us_bytes_sub(us_blob_bytes(&blob), io->data_start, n - io->data_start,
				    "the table", &answer));
		return table_text(answer, io->target_count, pool, ret);
	}
	return us_err_new(US_ERR_NO_ROOM, "the table of device %u:%u is over %u bytes", major,
			  minor, TABLE_BYTES_MAX);
}

static unsigned int prefix_of(const struct sockaddr *mask)
{
	const uint8_t *p =
		mask->sa_family == AF_INET
			? (const uint8_t *)&((const struct sockaddr_in *)(const void *)mask)->sin_addr
			: (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)mask)
				  ->sin6_addr;
	unsigned int bits = 0;

	for (size_t i = 0; i < (mask->sa_family == AF_INET ? 4 : 16); i++)
		bits += (unsigned int)__builtin_popcount(p[i]);
	return bits;
}

static bool address_text(const struct sockaddr *sa, char *buf, size_t n, bool *ret_local)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

	*ret_local = sa->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
	if (sa->sa_family == AF_INET)
		return inet_ntop(AF_INET, &in->sin_addr, buf, (socklen_t)n) != NULL;
	return sa->sa_family == AF_INET6 &&
	       inet_ntop(AF_INET6, &in6->sin6_addr, buf, (socklen_t)n) != NULL;
}

static struct us_err *addresses(void *data, const char *interface, struct us_pool *pool,
				const char *const **ret)
{
	const char **list = us_pool_array(pool, ADDRESSES_MAX + 1, sizeof(*list));
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;
	bool local;

	(void)data;
	if (!list)
		return us_err_nomem();
	if (getifaddrs(&all) < 0)
		return us_err_os(errno, "the addresses of %s", interface);
	for (int pass = 0; pass < 2; pass++)
		for (const struct ifaddrs *a = all; a && n < ADDRESSES_MAX; a = a->ifa_next)
			if (a->ifa_addr && a->ifa_netmask && !strcmp(a->ifa_name, interface) &&
			    address_text(a->ifa_addr, text, sizeof(text), &local) &&
			    local == (pass == 1))
				list[n++] = us_pool_format(pool, "%s/%u", text,
							   prefix_of(a->ifa_netmask));
	freeifaddrs(all);
	*ret = list;
	return NULL;
}

static struct us_err *resolve(void *data, const char *host, struct us_pool *pool,
			      const char *const **ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	const char **list = us_pool_array(pool, ADDRESSES_MAX + 1, sizeof(*list));
	struct addrinfo *all = NULL;
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;
	bool local;

	(void)data;
	if (!list)
		return us_err_nomem();
	int rc = getaddrinfo(host, NULL, &hints, &all);
	if (rc)
		return us_err_new(US_ERR_NOT_FOUND, "the name %s: %s", host, gai_strerror(rc));
	for (const struct addrinfo *a = all; a && n < ADDRESSES_MAX; a = a->ai_next)
		if (address_text(a->ai_addr, text, sizeof(text), &local))
			list[n++] = us_pool_strdup(pool, text);
	freeaddrinfo(all);
	*ret = list;
	return NULL;
}

/* No file of a living machine has them, so that whoever brings one's root along adds them. */
static struct us_err *dm_table_file(void *data, unsigned int major, unsigned int minor,
				    struct us_pool *pool, const char **ret)
{
	const struct us_host *host = data;
	_us_blob_deinit_ struct us_blob text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "dev/mapper/tables/%u:%u", major, minor);
	US_TRY(us_file_read_at(host->root_fd, path, TABLE_BYTES_MAX, &text));
	*ret = us_pool_strndup(pool, (const char *)text.p, text.n);
	return *ret ? NULL : us_err_nomem();
}

struct us_walk_sources us_walk_sources_of(const struct us_host *host)
{
	return (struct us_walk_sources){
		.dm_table = host->live ? dm_table : dm_table_file,
		.addresses = addresses,
		.resolve = resolve,
		.lvm_text = us_lvm_read,
		.data = (void *)host,
	};
}
