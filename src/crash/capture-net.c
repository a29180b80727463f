/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network of the capture kernel: interfaces are known by their hardware address, get the
 * address and the gateway that they had when armed (rtnetlink(7)), IPv4 and IPv6 alike, and are
 * waited for until they have a carrier; a VLAN is made on them. No DHCP, no bonds. And who is told
 * over it: cluster nodes by the eight bytes of fence_kdump (message version 1, as its listeners
 * expect it), a webhook by JSON.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define CARRIER_SECONDS 30
#define WEBHOOK_SECONDS 30
#define FENCE_PORT      7410
#define FENCE_NS        UINT64_C(5000000000)
#define LINE_MOST       512

/* ---- rtnetlink ---- */

struct request {
	struct nlmsghdr head;
	union {
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ifinfomsg link;
	};
	uint8_t attributes[96];
};

struct ip {
	int family;
	uint8_t bytes[16];
	unsigned int prefix;
};

static size_t ip_bytes(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

/* "10.0.2.15/24" or without the prefix: all bits of it. */
static bool ip_parse(const char *text, struct ip *ret)
{
	char address[64];
	size_t n = strcspn(text, "/");
	uint64_t prefix;

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = 0;
	*ret = (struct ip){ .family = strchr(address, ':') ? AF_INET6 : AF_INET };
	if (inet_pton(ret->family, address, ret->bytes) != 1)
		return false;
	prefix = ip_bytes(ret) * 8;
	if (text[n] && (!us_text_u64(text + n + 1, 10, &prefix) || prefix > ip_bytes(ret) * 8))
		return false;
	ret->prefix = (unsigned int)prefix;
	return true;
}

static void put_attribute(struct request *r, unsigned short type, const void *p, size_t n)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), p, n);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
}

/* Sent, and acknowledged; that it was so already is fine. */
static struct us_err *ask_kernel(struct request *r, const char *what)
{
	_us_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct timeval patience = { .tv_sec = 5 };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		uint8_t rest[512];
	} answer = { 0 };
	ssize_t n;

	if (fd < 0)
		return us_err_os(errno, "asking the kernel for %s", what);
	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	r->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		return us_err_os(errno, "asking the kernel for %s", what);
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) || answer.head.nlmsg_type != NLMSG_ERROR)
		return us_err_new(US_ERR_OS, "the kernel gives no answer about %s", what);
	if (answer.error.error && answer.error.error != -EEXIST)
		return us_err_os(-answer.error.error, "%s", what);
	return NULL;
}

static struct us_err *add_address(unsigned int index, const struct ip *ip, const char *what)
{
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.address)),
				       .nlmsg_type = RTM_NEWADDR,
				       .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE },
			     .address = { .ifa_family = (uint8_t)ip->family,
					  .ifa_prefixlen = (uint8_t)ip->prefix,
					  .ifa_flags = ip->family == AF_INET6 ? IFA_F_NODAD : 0,
					  .ifa_index = index } };

	put_attribute(&r, IFA_LOCAL, ip->bytes, ip_bytes(ip));
	put_attribute(&r, IFA_ADDRESS, ip->bytes, ip_bytes(ip));
	return ask_kernel(&r, what);
}

/* The default way. One that is there stays the first: each has a metric of its own. */
static struct us_err *add_gateway(unsigned int index, const struct ip *ip, uint32_t metric,
				  const char *what)
{
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.route)),
				       .nlmsg_type = RTM_NEWROUTE,
				       .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE },
			     .route = { .rtm_family = (uint8_t)ip->family,
					.rtm_table = RT_TABLE_MAIN,
					.rtm_protocol = RTPROT_STATIC,
					.rtm_scope = RT_SCOPE_UNIVERSE,
					.rtm_type = RTN_UNICAST,
					/* the gateway need not be inside the address' prefix */
					.rtm_flags = RTNH_F_ONLINK } };

	put_attribute(&r, RTA_GATEWAY, ip->bytes, ip_bytes(ip));
	put_attribute(&r, RTA_OIF, &index, sizeof(index));
	put_attribute(&r, RTA_PRIORITY, &metric, sizeof(metric));
	return ask_kernel(&r, what);
}

/* Begins an attribute that holds others; its length is set when they are there. */
static struct rtattr *open_attribute(struct request *r, unsigned short type)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	put_attribute(r, type, "", 0);
	return a;
}

static void close_attribute(struct request *r, struct rtattr *a)
{
	a->rta_len = (unsigned short)((uint8_t *)r + r->head.nlmsg_len - (uint8_t *)a);
}

static struct us_err *add_vlan(unsigned int card, unsigned int vlan, const char *name)
{
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.link)),
				       .nlmsg_type = RTM_NEWLINK,
				       .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL },
			     .link = { .ifi_family = AF_UNSPEC } };
	const uint16_t id = (uint16_t)vlan;
	struct rtattr *info, *data;

	put_attribute(&r, IFLA_LINK, &card, sizeof(card));
	put_attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
	info = open_attribute(&r, IFLA_LINKINFO);
	put_attribute(&r, IFLA_INFO_KIND, "vlan", 4);
	data = open_attribute(&r, IFLA_INFO_DATA);
	put_attribute(&r, IFLA_VLAN_ID, &id, sizeof(id));
	close_attribute(&r, data);
	close_attribute(&r, info);
	return ask_kernel(&r, name);
}

/* ---- interfaces ---- */

static bool mac_is(const char *name, const char *mac)
{
	char path[300], text[64];
	_us_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/net/vlan/%s", name);
	if (!access(path, F_OK))
		return false; /* it has that of its card */
	snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return !strcasecmp(text, mac);
}

/* The name that an interface has here. */
static bool find_interface(const char *mac, char ret[IF_NAMESIZE])
{
	_us_closedir_ DIR *dir = opendir("/sys/class/net");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (*e->d_name == '.' || strlen(e->d_name) >= IF_NAMESIZE || !mac_is(e->d_name, mac))
			continue;
		strcpy(ret, e->d_name);
		return true;
	}
	return false;
}

static struct us_err *set_up(const char *name, bool *ret_carrier)
{
	_us_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { 0 };

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r))
		return us_err_os(errno, "interface %s", name);
	if (!(r.ifr_flags & IFF_UP)) {
		r.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &r) || ioctl(fd, SIOCGIFFLAGS, &r))
			return us_err_os(errno, "switching %s on", name);
	}
	*ret_carrier = r.ifr_flags & IFF_RUNNING;
	return NULL;
}

/* All at once: what has a carrier need not wait for what has none. */
static void switch_on(const struct us_recipe *recipe)
{
	char name[IF_NAMESIZE];
	bool carrier;

	for (size_t i = 0; i < recipe->n_nets; i++)
		if (find_interface(recipe->nets[i].mac, name))
			us_err_free(set_up(name, &carrier));
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
}

/* Until it is there and has a carrier. */
static struct us_err *wait_for(const struct us_recipe_net *net, uint64_t deadline_ns,
			       char ret_name[IF_NAMESIZE])
{
	bool found = false, carrier = false;

	for (;;) {
		if (!found)
			found = find_interface(net->mac, ret_name);
		if (found)
			US_TRY(set_up(ret_name, &carrier));
		if (carrier)
			return NULL;
		if (us_capture_now_ns() >= deadline_ns)
			break;
		nap();
	}
	if (!found)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no interface has the address %s (it was %s): its driver is "
				  "missing",
				  net->mac, net->name ? net->name : "another");
	return us_err_os(ENETDOWN, "%s (%s) has no carrier", ret_name, net->mac);
}

static struct us_err *bring_up(struct us_capture *c, unsigned int i, uint64_t deadline_ns)
{
	const struct us_recipe_net *net = &c->recipe->nets[i];
	char name[IF_NAMESIZE];
	struct ip ip, gateway;
	unsigned int index;
	bool carrier;

	if (!net->address || !ip_parse(net->address, &ip))
		return us_err_new(US_ERR_BAD_DATA, "%s: \"%s\" is no address", net->mac,
				  net->address ? net->address : "");
	US_TRY(wait_for(net, deadline_ns, name));
	index = if_nametoindex(name);
	if (net->vlan) {
		snprintf(name, sizeof(name), "v%u.%u", net->vlan, i);
		US_TRY(add_vlan(index, net->vlan, name));
		US_TRY(set_up(name, &carrier));
		index = if_nametoindex(name);
	}
	US_TRY(add_address(index, &ip, net->address));
	if (net->gateway && *net->gateway) {
		if (!ip_parse(net->gateway, &gateway))
			return us_err_new(US_ERR_BAD_DATA, "%s: \"%s\" is no gateway", net->mac,
					  net->gateway);
		US_TRY(add_gateway(index, &gateway, 1024 + i, net->gateway));
	}
	us_capture_note(c, "network", "%s (%s) is %s%s%s", name, net->mac, net->address,
			net->gateway ? ", gateway " : "", net->gateway ? net->gateway : "");
	return NULL;
}

/* Names of hosts are in /etc/hosts; this is for those who ask for more. */
static void write_resolv_conf(const struct us_recipe *recipe)
{
	_us_fclose_ FILE *f = NULL;

	for (size_t i = 0; i < recipe->n_nets; i++)
		for (const char *const *s = recipe->nets[i].nameservers; s && *s; s++) {
			if (!f)
				f = fopen("/etc/resolv.conf", "we");
			if (f)
				fprintf(f, "nameserver %s\n", *s);
		}
}

struct us_err *us_capture_net(struct us_capture *c, uint64_t deadline_ns)
{
	uint64_t until = us_capture_until(c, CARRIER_SECONDS);
	struct us_err *first = NULL;
	bool any = false, carrier;

	if (!c->wish->pid1) /* by hand: the network is somebody else's */
		return NULL;
	if (c->shared->nets_up == 0) {
		us_err_free(set_up("lo", &carrier));
		switch_on(c->recipe);
		write_resolv_conf(c->recipe);
	}
	until = deadline_ns && deadline_ns < until ? deadline_ns : until;
	for (unsigned int i = 0; i < c->recipe->n_nets && i < 32; i++) {
		struct us_err *err = NULL;

		if (!(c->shared->nets_up >> i & 1))
			err = bring_up(c, i, until);
		if (!err) {
			c->shared->nets_up |= 1u << i;
			any = true;
		} else if (first) {
			us_err_free(err);
		} else {
			first = err;
		}
	}
	if (any && first)
		us_capture_note(c, "network", "%s", first->text);
	if (!any && !first)
		return us_err_new(US_ERR_NOT_FOUND, "the recipe names no network interface");
	if (!any)
		return us_err_wrap(first, "no network");
	us_err_free(first);
	return NULL;
}

/* ---- who is told ---- */

static struct us_err *net_for_all(struct us_capture *c, void *data)
{
	(void)data;
	return us_capture_net(c, 0);
}

void us_capture_fence_begin(struct us_capture *c)
{
	_us_err_free_ struct us_err *err = NULL;

	if (!c->recipe->fence_nodes || !*c->recipe->fence_nodes)
		return;
	us_capture_stage(c, "network");
	err = us_guard(c, "the network", us_capture_until(c, CARRIER_SECONDS + 5), net_for_all,
		       NULL);
	if (err)
		us_capture_note(c, "network", "%s", err->text);
}

/* A number, or a name of /etc/hosts. */
static bool find_node(const char *node, struct ip *ret)
{
	_us_fclose_ FILE *f = NULL;
	char line[LINE_MOST];

	if (ip_parse(node, ret))
		return true;
	f = fopen("/etc/hosts", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *rest, *address = strtok_r(line, " \t\n", &rest), *word;

		while (address && (word = strtok_r(NULL, " \t\n", &rest)))
			if (!strcasecmp(word, node) && ip_parse(address, ret))
				return true;
	}
	return false;
}

/* True if the packet left. */
static bool fence_node(const char *node, unsigned int port)
{
	/* magic 0x1b302a40 and version 1, each as a little-endian word */
	static const uint8_t message[] = { 0x40, 0x2a, 0x30, 0x1b, 1, 0, 0, 0 };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	_us_close_ int fd = -1;
	struct ip ip;

	if (!find_node(node, &ip))
		return false;
	memcpy(&v4.sin_addr, ip.bytes, 4);
	memcpy(&v6.sin6_addr, ip.bytes, 16);
	fd = socket(ip.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd >= 0 &&
	       sendto(fd, message, sizeof(message), 0,
		      ip.family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		      ip.family == AF_INET ? sizeof(v4) : sizeof(v6)) == sizeof(message);
}

void us_capture_fence(struct us_capture *c)
{
	const char *nodes = c->recipe ? c->recipe->fence_nodes : NULL;
	uint64_t now = us_capture_now_ns();
	char node[128];

	if (!nodes || !c->shared->nets_up || now < c->fenced_ns + FENCE_NS)
		return;
	for (size_t n; *(nodes += strspn(nodes, " ")); nodes += n) {
		n = strcspn(nodes, " ");
		snprintf(node, sizeof(node), "%.*s", (int)n, nodes);
		if (!fence_node(node, c->recipe->fence_port ? c->recipe->fence_port : FENCE_PORT) &&
		    !c->fenced_ns)
			us_capture_note(c, "fence", "%s cannot be told", node);
	}
	if (!c->fenced_ns)
		us_capture_note(c, "fence", "told %s", c->recipe->fence_nodes);
	c->fenced_ns = now;
}

static void put_json(struct us_text *t, const char *key, const char *value)
{
	us_text_add(t, "%s\"%s\":\"", t->n > 1 ? "," : "", key);
	for (; *value; value++) {
		unsigned char ch = (unsigned char)*value;

		if (ch < 0x20 || ch >= 0x7f || ch == '"' || ch == '\\')
			us_text_add(t, "\\u%04x", ch);
		else
			us_text_put(t, value, 1);
	}
	us_text_put(t, "\"", 1);
}

static struct us_err *tell_webhook(struct us_capture *c, void *data)
{
	static const char *const words[] = { "nothing", "log", "partial", "saved" };
	_us_text_deinit_ struct us_text t = { 0 };
	const uint64_t *deadline_ns = data;

	US_TRY(us_capture_net(c, *deadline_ns));
	us_text_add(&t, "{");
	put_json(&t, "event", "crash");
	put_json(&t, "host", c->recipe->host_tag ? c->recipe->host_tag : "");
	put_json(&t, "crash", c->shared->crash);
	put_json(&t, "result", words[c->shared->held]);
	put_json(&t, "where", c->shared->where);
	us_text_add(&t, ",\"bytes\":%" PRIu64 "}\n", c->shared->dump_bytes);
	if (t.failed)
		return us_err_nomem();
	return us_target_webhook(c->recipe->webhook, NULL, t.s, *deadline_ns);
}

void us_capture_webhook(struct us_capture *c)
{
	uint64_t deadline_ns = us_capture_until(c, WEBHOOK_SECONDS);
	_us_err_free_ struct us_err *err = NULL;

	if (!c->recipe->webhook || !*c->recipe->webhook)
		return;
	us_capture_stage(c, "webhook");
	err = us_guard(c, "the webhook", deadline_ns, tell_webhook, &deadline_ns);
	us_capture_note(c, "webhook", "%s", err ? err->text : "told");
}
