/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a host's name to the interface that leads there: /proc/net/route and ipv6_route (the main
 * table; Documentation of their columns: net/ipv4/fib_trie.c and net/ipv6/route.c, Linux 6.12), the
 * interface's address, and the drivers of its card. The capture kernel has one plain card, so that
 * of a bridge its one card is taken, of a bond in active-backup mode the card in use; a VLAN is
 * kept; what needs a configuration of its own (other bonds, tunnels, wireless) is refused with the
 * reason.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "crash/walk-int.h"

#include <arpa/inet.h>
#include <string.h>

#define ROUTES_MAX  (16u << 20)
#define RTF_UP      0x0001
#define RTF_GATEWAY 0x0002
#define RTF_REJECT  0x0200

struct address {
	int family;
	uint8_t bytes[16];
};
struct route {
	char interface[32];
	struct address gateway; /* family 0: none, the host is on the link */
	unsigned int prefix, metric;
	bool found;
};

static size_t address_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool address_parse(const char *text, struct address *ret)
{
	for (int i = 0; i < 2; i++) {
		ret->family = i ? AF_INET6 : AF_INET;
		if (inet_pton(ret->family, text, ret->bytes) == 1)
			return true;
	}
	return false;
}

static bool in_net(const struct address *a, const struct address *net, unsigned int prefix)
{
	unsigned int bytes = prefix / 8, rest = prefix % 8;

	return a->family == net->family && prefix <= address_bytes(a->family) * 8 &&
	       !memcmp(a->bytes, net->bytes, bytes) &&
	       (!rest || (a->bytes[bytes] ^ net->bytes[bytes]) >> (8 - rest) == 0);
}

static void take_better(struct route *best, const struct route *route)
{
	if (!best->found || route->prefix > best->prefix ||
	    (route->prefix == best->prefix && route->metric < best->metric))
		*best = *route;
	best->found = true;
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask ...: hexadecimal in the machine's order */
static void route_v4(const char *line, const struct address *to, struct route *best)
{
	struct route route = { 0 };
	struct address net = { .family = AF_INET };
	uint32_t destination, gateway, mask;
	unsigned int flags;

	if (sscanf(line, "%31s %x %x %x %*u %*u %u %x", route.interface, &destination, &gateway,
		   &flags, &route.metric, &mask) != 6 ||
	    !(flags & RTF_UP))
		return;
	memcpy(net.bytes, &destination, 4);
	route.prefix = (unsigned int)__builtin_popcount(mask);
	if (flags & RTF_GATEWAY) {
		route.gateway.family = AF_INET;
		memcpy(route.gateway.bytes, &gateway, 4);
	}
	if (in_net(to, &net, route.prefix))
		take_better(best, &route);
}

static bool hex_address(const char *hex, struct address *ret)
{
	ret->family = AF_INET6;
	for (int i = 0; i < 16; i++) {
		unsigned int byte;

		if (sscanf(hex + (size_t)i * 2, "%2x", &byte) != 1)
			return false;
		ret->bytes[i] = (uint8_t)byte;
	}
	return true;
}

/* destination prefix source prefix gateway metric refcnt use flags interface: all hexadecimal */
static void route_v6(const char *line, const struct address *to, struct route *best)
{
	struct route route = { 0 };
	struct address net, gateway;
	char destination[33], via[33];
	unsigned int flags;

	if (sscanf(line, "%32s %x %*s %*x %32s %x %*x %*x %x %31s", destination, &route.prefix, via,
		   &route.metric, &flags, route.interface) != 6 ||
	    !hex_address(destination, &net) || !hex_address(via, &gateway) || !(flags & RTF_UP) ||
	    flags & RTF_REJECT)
		return;
	if (flags & RTF_GATEWAY)
		route.gateway = gateway;
	if (in_net(to, &net, route.prefix))
		take_better(best, &route);
}

static struct us_err *route_find(struct us_walk *walk, const struct address *to, struct route *ret)
{
	const char *path = to->family == AF_INET ? "proc/net/route" : "proc/net/ipv6_route";
	_us_blob_deinit_ struct us_blob text = { 0 };

	*ret = (struct route){ 0 };
	US_TRY(us_file_read_at(walk->host->root_fd, path, ROUTES_MAX, &text));
	for (const char *line = (const char *)text.p; line && *line;) {
		const char *end = strchr(line, '\n');

		(to->family == AF_INET ? route_v4 : route_v6)(line, to, ret);
		line = end ? end + 1 : NULL;
	}
	return ret->found ? NULL : us_err_new(US_ERR_NOT_FOUND, "no route leads there");
}

static const char *gateway_text(struct us_walk *walk, const struct route *route)
{
	char text[INET6_ADDRSTRLEN];

	if (!route->gateway.family)
		return NULL;
	inet_ntop(route->gateway.family, route->gateway.bytes, text, sizeof(text));
	return us_pool_strdup(walk->pool, text);
}

/* Our own address with which the host, or the gateway to it, is on the link; else any of the kind. */
static struct us_err *own_address(struct us_walk *walk, const struct route *route,
				  const struct address *to, const char **ret)
{
	const struct address *near = route->gateway.family ? &route->gateway : to;
	const char *const *all, *any = NULL;

	US_TRY(walk->sources->addresses(walk->sources->data, route->interface, walk->pool, &all));
	for (; *all; all++) {
		char text[64];
		struct address own;
		uint64_t prefix;

		snprintf(text, sizeof(text), "%s", *all);
		char *slash = strchr(text, '/');
		if (!slash || !us_text_u64(slash + 1, 10, &prefix))
			continue;
		*slash = '\0';
		if (!address_parse(text, &own) || own.family != to->family)
			continue;
		if (in_net(near, &own, (unsigned int)prefix)) {
			*ret = *all;
			return NULL;
		}
		any = any ? any : *all;
	}
	*ret = any;
	return any ? NULL
		   : us_err_new(US_ERR_NOT_FOUND, "%s has no address of that kind",
				route->interface);
}

/* The one card of a bridge. */
static struct us_err *bridge_card(struct us_walk *walk, const char *interface, const char **ret)
{
	const char *dir = us_pool_format(walk->pool, "sys/class/net/%s/brif", interface);
	const char *const *ports, *card = NULL;
	size_t n = 0;

	if (!dir)
		return us_err_nomem();
	US_TRY(us_walk_list(walk, dir, &ports));
	for (; *ports; ports++)
		if (us_walk_exists(walk, "sys/class/net/%s/device", *ports)) {
			card = *ports;
			n++;
		}
	if (n != 1)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "bridge %s has %zu network cards; with one it could be used",
				  interface, n);
	*ret = card;
	return NULL;
}

/* The interface that a VLAN lies on, and the VLAN's number. */
static struct us_err *below_vlan(struct us_walk *walk, const char *interface, const char **ret,
				 unsigned int *ret_vlan)
{
	const char *line = us_walk_read(walk, "proc/net/vlan/%s", interface);
	const char *dir = us_pool_format(walk->pool, "sys/class/net/%s", interface);
	const char *const *names, *vid = line ? strstr(line, "VID:") : NULL;

	if (!dir)
		return us_err_nomem();
	if (*ret_vlan)
		return us_err_new(US_ERR_UNSUPPORTED, "%s is a VLAN below a VLAN", interface);
	if (!vid || sscanf(vid, "VID: %u", ret_vlan) != 1 || !*ret_vlan || *ret_vlan > 4094)
		return us_err_new(US_ERR_BAD_DATA, "/proc/net/vlan/%s names no VLAN", interface);
	US_TRY(us_walk_want(walk, "8021q", NULL, false, "%s, a VLAN", interface));
	US_TRY(us_walk_list(walk, dir, &names));
	for (; *names; names++)
		if (!strncmp(*names, "lower_", 6)) {
			*ret = *names + 6;
			return NULL;
		}
	return us_err_new(US_ERR_NOT_FOUND, "/%s leads to no card", dir);
}

/* The card that carries an interface's packets; *ret_vlan, which is 0 at first: on this VLAN. */
static struct us_err *card_of(struct us_walk *walk, const char *interface, const char **ret,
			      unsigned int *ret_vlan)
{
	if (us_walk_exists(walk, "proc/net/vlan/%s", interface)) {
		const char *below = NULL;

		US_TRY(below_vlan(walk, interface, &below, ret_vlan));
		return card_of(walk, below, ret, ret_vlan);
	}
	if (us_walk_exists(walk, "sys/class/net/%s/bonding", interface)) {
		const char *mode = us_walk_read(walk, "sys/class/net/%s/bonding/mode", interface);
		const char *active =
			us_walk_read(walk, "sys/class/net/%s/bonding/active_slave", interface);

		if (!mode || strncmp(mode, "active-backup", 13) != 0 || !active || !*active)
			return us_err_new(US_ERR_UNSUPPORTED,
					  "%s is a bond of mode %s; only active-backup can do with "
					  "one card",
					  interface, mode ? mode : "unknown");
		return card_of(walk, active, ret, ret_vlan);
	}
	if (us_walk_exists(walk, "sys/class/net/%s/bridge", interface)) {
		const char *card = NULL;

		US_TRY(bridge_card(walk, interface, &card));
		return card_of(walk, card, ret, ret_vlan);
	}
	if (us_walk_exists(walk, "sys/class/net/%s/wireless", interface) ||
	    us_walk_exists(walk, "sys/class/net/%s/phy80211", interface))
		return us_err_new(US_ERR_UNSUPPORTED, "%s is wireless", interface);
	const char *type = us_walk_read(walk, "sys/class/net/%s/type", interface);
	if (type && strcmp(type, "1") != 0) /* linux/if_arp.h: Ethernet */
		return us_err_new(US_ERR_UNSUPPORTED, "%s is no Ethernet card (type %s)", interface,
				  type);
	if (!us_walk_exists(walk, "sys/class/net/%s/device", interface))
		return us_err_new(US_ERR_UNSUPPORTED, "%s is no network card", interface);
	*ret = interface;
	return NULL;
}

static struct us_err *card_drivers(struct us_walk *walk, const char *card)
{
	const char *sys = us_walk_link(walk, "sys/class/net/%s", card);
	const char *phy = sys ? us_walk_link(walk, "%s/phydev", sys) : NULL;
	const char *driver = phy ? us_walk_link(walk, "%s/driver/module", phy) : NULL;

	if (!sys)
		return us_err_new(US_ERR_NOT_FOUND, "/sys/class/net/%s cannot be read", card);
	if (driver)
		US_TRY(us_walk_want(walk, us_walk_base(driver), NULL, true, "the port of %s", card));
	return us_walk_bus(walk, sys);
}

static struct us_err *net_add(struct us_walk *walk, const struct us_recipe_net *net)
{
	static const char *const none[] = { NULL };
	size_t n = walk->out->n_nets;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(walk->nets[i].mac, net->mac) &&
		    !strcmp(walk->nets[i].address, net->address)) {
			if (!walk->nets[i].gateway)
				walk->nets[i].gateway = net->gateway;
			return NULL;
		}
	if (n == US_WALK_NETS_MAX)
		return us_err_new(US_ERR_NO_ROOM, "more than %d addresses", US_WALK_NETS_MAX);
	walk->nets[n] = *net;
	walk->nets[n].nameservers = none;
	walk->out->n_nets++;
	return NULL;
}

static struct us_err *to_address(struct us_walk *walk, const char *text)
{
	struct us_recipe_net net = { 0 };
	struct address to;
	struct route route;
	const char *card = NULL;

	if (!address_parse(text, &to))
		return us_err_new(US_ERR_BAD_DATA, "\"%s\" is no address", text);
	US_TRY(route_find(walk, &to, &route));
	if (!strcmp(route.interface, "lo"))
		return us_err_new(US_ERR_UNSUPPORTED, "%s is this machine itself", text);
	US_TRY(own_address(walk, &route, &to, &net.address));
	US_TRY(card_of(walk, route.interface, &card, &net.vlan));
	US_TRY(card_drivers(walk, card));
	net.gateway = gateway_text(walk, &route);
	net.mac = us_walk_read(walk, "sys/class/net/%s/bonding_slave/perm_hwaddr", card);
	if (!net.mac) /* a bond lends its own address to its cards */
		net.mac = us_walk_read(walk, "sys/class/net/%s/address", card);
	net.name = us_pool_strdup(walk->pool, card);
	if (!net.mac)
		return us_err_new(US_ERR_NOT_FOUND, "/sys/class/net/%s/address cannot be read",
				  card);
	return net.name ? net_add(walk, &net) : us_err_nomem();
}

/* A line for /etc/hosts: the capture kernel asks no name server. */
static struct us_err *host_add(struct us_walk *walk, const char *host, const char *address)
{
	const char *line = us_pool_format(walk->pool, "%s %s", address, host);

	if (!line)
		return us_err_nomem();
	for (size_t i = 0; i < walk->n_hosts; i++)
		if (!strcmp(walk->hosts[i], line))
			return NULL;
	if (walk->n_hosts == US_WALK_NETS_MAX)
		return us_err_new(US_ERR_NO_ROOM, "more than %d hosts", US_WALK_NETS_MAX);
	walk->hosts[walk->n_hosts++] = line;
	return NULL;
}

struct us_err *us_walk_net(struct us_walk *walk, const char *host)
{
	const char *const *addresses;
	struct address literal;

	US_TRY(walk->sources->resolve(walk->sources->data, host, walk->pool, &addresses));
	struct us_err *err = us_err_new(US_ERR_NOT_FOUND, "it has no address");
	for (; *addresses; addresses++) {
		us_err_free(err);
		err = to_address(walk, *addresses);
		if (!err)
			return address_parse(host, &literal) ? NULL
							     : host_add(walk, host, *addresses);
	}
	return us_err_wrap(err, "the way to %s", host);
}
