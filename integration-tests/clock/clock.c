/* Loaded before libc (LD_PRELOAD): the wall clock of one process, moved by as many seconds as the file $JUDGE_CLOCK holds (8 bytes, mapped).
 *
 * What counts time without telling it (CLOCK_MONOTONIC) goes on as it is, as on a host whose clock is set. A wait until a point of the
 * wall clock is turned back into real time; libfaketime leaves out the one that librdkafka uses, cnd_timedwait, and then it waits for hours.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *moved;

__attribute__((constructor)) static void map(void) {
    const char *path = getenv("JUDGE_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *moved, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) abort(); /* a test that moves no clock must not pass for one that does */
    close(file);
    moved = page;
}

/* Before the constructor nothing is moved. */
static int64_t by(void) { return moved ? *moved : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += by();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    *now = (struct timeval){exact.tv_sec, exact.tv_nsec / 1000};
    return 0;
}

int timespec_get(struct timespec *now, int base) { return clock_gettime(CLOCK_REALTIME, now) ? 0 : base; }

time_t time(time_t *seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    static int (*next)(cnd_t *, mtx_t *, const struct timespec *);
    if (!next) next = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec real = *until;
    real.tv_sec -= by();
    return next(condition, mutex, &real);
}
