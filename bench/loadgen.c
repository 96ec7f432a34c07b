// loadgen: the clients that wrk cannot be: streams timed chunk by chunk, and thousands who wait at once.
//
//   loadgen streams PORT REQUEST CONNECTIONS WARMUP_MS MEASURE_MS
//   loadgen waiters PORT REQUEST CONNECTIONS DEADLINE_MS
//
// REQUEST is a file with the bytes of one HTTP/1.1 request, sent as they are. One thread, one epoll.
//
// streams: each connection sends the request again when its answer has ended. Every `t=MICROSECONDS` in an
// answer (fake-model-server's word `stamp=1`) is the time at which the upstream wrote that chunk; how long ago
// that was is the delay of the chunk. Prints `begin` and `end` around the measured time, then the result.
//
// waiters: each connection sends the request once. Prints `waiting` when all are sent, then, when all are
// answered or the deadline has come, the result.
//
// The result is one line of JSON; times are in microseconds, `*_at` are Unix times.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 16384, STAMP_DIGITS = 16, CONNECTS_PER_MS = 10 };

typedef struct {
  int fd;
  int64_t asked_at;
  int begun;          // of this answer a byte has come
  int body_begun;     // of its body too
  size_t missing;     // waiters: bytes of the answer that are still to come; 0: the head is not complete
  size_t kept;        // bytes in `tail`
  char tail[4096];    // what may be the beginning of a stamp, of the answer's end, or of a head
} Client;

typedef struct {
  int64_t *values;
  size_t count, room;
} Samples;

static char *request;
static size_t request_length;
static struct sockaddr_in server = {.sin_family = AF_INET};
static int epoll;
static int is_streams;
static int measuring;
static Samples chunks, firsts, answers;
static size_t failures, finished;
static char first_failure[120];

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void add(Samples *samples, int64_t value) {
  if (samples->count == samples->room) {
    samples->room = samples->room ? samples->room * 2 : 65536;
    samples->values = realloc(samples->values, samples->room * sizeof *samples->values);
    if (!samples->values) die("memory");
  }
  samples->values[samples->count++] = value;
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int64_t quantile(const Samples *sorted, double q) {
  return sorted->count ? sorted->values[(size_t)(q * (double)(sorted->count - 1) + 0.5)] : -1;
}

static void leave(Client *client, const char *why) {
  if (why) {
    failures++;
    if (!*first_failure) snprintf(first_failure, sizeof first_failure, "%.100s", why);
  }
  finished++;
  close(client->fd);
  client->fd = -1;
}

static void ask(Client *client) {
  client->begun = client->body_begun = 0;
  client->kept = client->missing = 0;
  client->asked_at = now_us();
  if (write(client->fd, request, request_length) != (ssize_t)request_length) leave(client, "write");
}

static void join_in(Client *client) {
  struct linger reset = {.l_onoff = 1};
  int on = 1;
  memset(client, 0, sizeof *client);
  client->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (client->fd < 0) die("socket");
  // No port of ours stays in TIME_WAIT.
  setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(client->fd, (struct sockaddr *)&server, sizeof server)) {
    leave(client, "connect");
    return;
  }
  fcntl(client->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event)) die("epoll_ctl");
  ask(client);
}

// Takes the stamps out of the bytes; true at the end of the answer. What may go on with the next bytes is kept.
static int read_stream(Client *client, char *bytes, size_t length, int64_t now) {
  char *at = bytes, *end = bytes + length, *unread = bytes;
  if (!client->body_begun && memmem(bytes, length, "data:", 5)) {
    client->body_begun = 1;
    if (measuring) add(&firsts, now - client->asked_at);
  }
  while ((at = memmem(at, (size_t)(end - at), "\"t=", 3)) && end - at > 3 + STAMP_DIGITS) {
    if (measuring) add(&chunks, now - strtoll(at + 3, NULL, 10));
    at += 3 + STAMP_DIGITS;
    unread = at;
  }
  if (length >= 7 && !memcmp(end - 7, "\r\n0\r\n\r\n", 7)) return 1;
  if (!at) at = end - unread > 24 ? end - 24 : unread;
  client->kept = (size_t)(end - at);
  memcpy(client->tail, at, client->kept);
  return 0;
}

// Counts the bytes of an answer with Content-Length; true at its end.
static int read_answer(Client *client, char *bytes, size_t length) {
  if (!client->missing) {
    char *head_end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!head_end) {
      client->kept = length < sizeof client->tail ? length : sizeof client->tail;
      memcpy(client->tail, bytes, client->kept);
      return 0;
    }
    *head_end = 0;
    char *header = strcasestr(bytes, "\r\ncontent-length:");
    client->missing = (size_t)(head_end - bytes) + 4 + (header ? strtoul(header + 17, NULL, 10) : 0);
    *head_end = '\r';
  }
  client->missing -= length < client->missing ? length : client->missing;
  return !client->missing;
}

static void hear(Client *client) {
  static char bytes[BUFFER + sizeof client->tail + 1];
  memcpy(bytes, client->tail, client->kept);
  ssize_t got = read(client->fd, bytes + client->kept, BUFFER);
  int64_t now = now_us();
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return leave(client, got ? strerror(errno) : "connection closed");
  size_t length = client->kept + (size_t)got;
  bytes[length] = 0;
  client->kept = 0;
  if (!client->begun) {
    client->begun = 1;
    if (!is_streams) add(&firsts, now);
    if (length < 12 || memcmp(bytes + 9, "200", 3)) {
      bytes[length < 15 ? length : 15] = 0;
      if (!is_streams) add(&answers, now);
      return leave(client, bytes);
    }
  }
  if (is_streams) {
    if (!read_stream(client, bytes, length, now)) return;
    if (measuring) add(&answers, now);
    ask(client);
  } else if (read_answer(client, bytes, length)) {
    add(&answers, now);
    leave(client, NULL);
  }
}

static void listen_until(int64_t until, size_t clients) {
  struct epoll_event events[512];
  while (finished < clients) {
    int64_t left = until - now_us();
    if (left <= 0) return;
    int count = epoll_wait(epoll, events, 512, (int)(left / 1000) + 1);
    for (int i = 0; i < count; i++) {
      Client *client = events[i].data.ptr;
      if (client->fd >= 0) hear(client);
    }
  }
}

static void say(const char *word) {
  puts(word);
  fflush(stdout);
}

static void print_samples(const char *name, Samples *samples, const char *suffix) {
  if (samples->count) qsort(samples->values, samples->count, sizeof *samples->values, by_value);
  printf("\"%s\":%zu,\"%s_min%s\":%ld,\"%s_p50%s\":%ld,\"%s_p99%s\":%ld,\"%s_max%s\":%ld,", name, samples->count,
         name, suffix, quantile(samples, 0), name, suffix, quantile(samples, 0.5), name, suffix,
         quantile(samples, 0.99), name, suffix, quantile(samples, 1));
}

int main(int argc, char **argv) {
  is_streams = argc == 7 && !strcmp(argv[1], "streams");
  if (!is_streams && !(argc == 6 && !strcmp(argv[1], "waiters"))) {
    fprintf(stderr, "usage: loadgen streams PORT REQUEST CONNECTIONS WARMUP_MS MEASURE_MS\n"
                    "       loadgen waiters PORT REQUEST CONNECTIONS DEADLINE_MS\n");
    return 2;
  }
  server.sin_port = htons((uint16_t)atoi(argv[2]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  FILE *file = fopen(argv[3], "rb");
  request = malloc(65536);
  if (!file || !request) die(argv[3]);
  request_length = fread(request, 1, 65536, file);
  size_t count = strtoul(argv[4], NULL, 10);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Client *clients = calloc(count, sizeof *clients);
  epoll = epoll_create1(0);
  if (!clients || epoll < 0) die("start");

  int64_t start = now_us(), warmup = is_streams ? atoll(argv[5]) * 1000 : 0;
  for (size_t i = 0; i < count; i++) {
    join_in(&clients[i]);
    // Streams begin evenly over the warm-up, waiters as fast as a busy server takes them.
    int64_t due = is_streams ? warmup * (int64_t)(i + 1) / (int64_t)count
                             : (int64_t)(i + 1) * 1000 / CONNECTS_PER_MS;
    listen_until(start + due, count);
  }
  int64_t deadline;
  if (is_streams) {
    say("begin");
    measuring = 1;
    deadline = now_us() + atoll(argv[6]) * 1000;
    listen_until(deadline, count);
    measuring = 0;
    say("end");
  } else {
    say("waiting");
    deadline = now_us() + atoll(argv[5]) * 1000;
    listen_until(deadline, count);
    if (finished < count) {
      snprintf(first_failure, sizeof first_failure, "%zu without an answer", count - finished);
      failures += count - finished;
    }
  }
  printf("{");
  print_samples("chunks", &chunks, "");
  print_samples("firsts", &firsts, is_streams ? "" : "_at");
  print_samples("answers", &answers, "_at");
  printf("\"failures\":%zu,\"failure\":\"%s\"}\n", failures, first_failure);
  return 0;
}
