/* The limit: the least that answers a trigger trade with an order over two WebSockets.

   limit PORT poll|epoll SUBSCRIBE ORDER TRIGGER_SYMBOL TRIGGER_PRICE

   It reads every frame's kind and the trades' symbol and price, keeps no book, signs nothing and
   masks with a key of zeroes. `poll` never sleeps; `epoll` sleeps until something comes. It ends
   when the server hangs up. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 20 };

static char inbox[ROOM];
static size_t held;
static char order_frame[4096];
static size_t order_size;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int dial(int port, const char *path) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    char text[512];
    ssize_t got = 0;
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    snprintf(text, sizeof text,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: bGltaXRsaW1pdGxpbWl0bA==\r\n\r\n",
             path, port);
    if (send(fd, text, strlen(text), 0) < 0) fail("handshake");
    /* One byte at a time, so that no frame behind the head is swallowed. */
    for (text[0] = 0; got < (ssize_t)sizeof text - 1 && !strstr(text, "\r\n\r\n"); text[got] = 0)
        if (recv(fd, text + got++, 1, 0) <= 0) fail("handshake");
    return fd;
}

static size_t masked(char *frame, const char *payload) {
    size_t size = strlen(payload), at = 2;
    frame[0] = (char)0x81;
    if (size < 126) {
        frame[1] = (char)(0x80 | size);
    } else {
        frame[1] = (char)(0x80 | 126);
        frame[2] = (char)(size >> 8);
        frame[3] = (char)(size & 255);
        at = 4;
    }
    memset(frame + at, 0, 4);
    memcpy(frame + at + 4, payload, size);
    return at + 4 + size;
}

static int triggers(const char *payload, size_t size, const char *symbol, double price) {
    const char *found;
    if (size < 12 || memcmp(payload, "{\"e\":\"trade\"", 12)) return 0;
    found = memmem(payload, size, "\"s\":\"", 5);
    if (!found || strncmp(found + 5, symbol, strlen(symbol))) return 0;
    found = memmem(payload, size, "\"p\":\"", 5);
    return found && strtod(found + 5, NULL) >= price;
}

static void take(int orders, const char *symbol, double price) {
    size_t at = 0;
    for (;;) {
        const unsigned char *frame = (const unsigned char *)inbox + at;
        size_t left = held - at, head = 2, size;
        if (left < 4) break;
        size = frame[1] & 127;
        if (size == 126) {
            size = (size_t)frame[2] << 8 | frame[3];
            head = 4;
        }
        if (left < head + size) break;
        if (triggers((const char *)frame + head, size, symbol, price) &&
            send(orders, order_frame, order_size, 0) < 0)
            fail("order");
        at += head + size;
    }
    memmove(inbox, inbox + at, held - at);
    held -= at;
}

/* 1: read, 0: nothing there, -1: the server hung up. */
static int read_some(int fd, char *into, size_t room) {
    ssize_t got = recv(fd, into, room, MSG_DONTWAIT);
    if (got > 0) {
        if (into == inbox + held) held += (size_t)got;
        return 1;
    }
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}

int main(int argc, char **argv) {
    static char frame[8192], replies[65536];
    struct epoll_event one = {.events = EPOLLIN}, ready[2];
    int market, orders, poll, sleeps;
    size_t size;
    double price;
    if (argc != 7) return 2;
    market = dial(atoi(argv[1]), "/ws");
    orders = dial(atoi(argv[1]), "/ws-api/v3");
    sleeps = !strcmp(argv[2], "epoll");
    size = masked(frame, argv[3]);
    order_size = masked(order_frame, argv[4]);
    price = atof(argv[6]);
    if (send(market, frame, size, 0) < 0) fail("subscribe");
    poll = epoll_create1(0);
    epoll_ctl(poll, EPOLL_CTL_ADD, market, &one);
    epoll_ctl(poll, EPOLL_CTL_ADD, orders, &one);
    for (;;) {
        int state;
        if (sleeps) epoll_wait(poll, ready, 2, -1);
        state = read_some(market, inbox + held, ROOM - held);
        if (state < 0) return 0;
        if (state) take(orders, argv[5], price);
        if (!state && read_some(orders, replies, sizeof replies) < 0) return 0;
    }
}
