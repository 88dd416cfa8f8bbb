/* Does what a program does that knows nothing of DNS: getaddrinfo, and then
 * connect to each address in turn, with one SYN each. Prints the address that
 * was reached. The lab links it with glibc and with musl. */
#define _GNU_SOURCE
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int reach(const struct addrinfo *ai, int limit)
{
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK, ai->ai_protocol);
	if (fd < 0)
		return 0;
	connect(fd, ai->ai_addr, ai->ai_addrlen);
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int error = -1;
	socklen_t len = sizeof error;
	if (poll(&wait, 1, limit) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	close(fd);
	return error == 0;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: connect HOST PORT MILLISECONDS\n");
		return 2;
	}
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list;
	int error = getaddrinfo(argv[1], argv[2], &hints, &list);
	if (error) {
		fprintf(stderr, "getaddrinfo: %s\n", gai_strerror(error));
		return 1;
	}
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		char text[NI_MAXHOST];
		getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
		if (reach(ai, atoi(argv[3]))) {
			puts(text);
			return 0;
		}
		fprintf(stderr, "no way to %s\n", text);
	}
	return 1;
}
