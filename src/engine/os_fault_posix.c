/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* SIGSEGV and SIGBUS on POSIX systems, and SIGURG, by which a guest is interrupted whose code does not look.
 *
 * One handler for the process, installed with the first engine that uses guard pages and never removed: whoever
 * installs one later may have saved ours as the previous. It asks the store of the call that the faulting thread is in;
 * a fault that is not the guest's goes to the handler that was there before, as if ours did not exist.
 *
 * The handler runs on a signal stack, because the guest's native stack may be what is full. Each host thread gets one
 * of ours when it has none, freed at its end. No SA_NODEFER: the handler does not fault, and returning from it restores
 * the mask together with the redirected registers.
 *
 * An interruption comes wherever the thread is. In the guest's own code it goes on at the trap. In C code, a function of the
 * host or a signal handler that may have hit the guest's loop itself, nothing can be done, but may be necessary afterwards: the
 * signal is blocked and sent again. The end of a signal handler brings back the mask of what it has hit, and the signal comes
 * there; a function of the host returns to code that looks, and the begin and the end of an outermost call let the signal come. The
 * signal is one that is ignored by default, so that one which is late does no harm, and it goes on to the handler that was
 * there before, as every other one of its number: Go's runtime uses it, too. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "engine/internal.h"

enum { SIGNAL_STACK_BYTES = 64 * 1024, INTERRUPTION = SIGURG };

static struct sigaction previous_segv, previous_bus, previous_interruption;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_installed;
static pthread_key_t stack_key;

/* The default action: restored, it hits the same instruction again, or the signal that was sent. */
static void default_action(int number, const siginfo_t *details) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
  if (details->si_code <= 0) raise(number);
}

static void unblock(int number) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, number);
  pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

/* What the handler that was there before gets, with the signals blocked that it has asked for. */
static void call_previous(const struct sigaction *previous, int number, siginfo_t *details, void *machine_context) {
  pthread_sigmask(SIG_BLOCK, &previous->sa_mask, NULL);
  if (previous->sa_flags & SA_NODEFER) unblock(number);
  if (previous->sa_flags & SA_SIGINFO)
    previous->sa_sigaction(number, details, machine_context);
  else
    previous->sa_handler(number);
}

static bool is_handler(const struct sigaction *action) {
  return action->sa_flags & SA_SIGINFO || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void pass_on(int number, siginfo_t *details, void *machine_context) {
  const struct sigaction *previous = number == SIGSEGV ? &previous_segv : &previous_bus;
  if (is_handler(previous))
    call_previous(previous, number, details, machine_context);
  else if (previous->sa_handler == SIG_DFL || details->si_code > 0)
    default_action(number, details);
}

static void handle(int number, siginfo_t *details, void *machine_context) {
  struct engine_thread *thread = engine_host_thread.running;
  if (thread && details->si_code > 0 && engine_fault_redirect(thread, (uintptr_t)details->si_addr, machine_context))
    return;
  pass_on(number, details, machine_context);
}

/* ---- Interruptions -------------------------------------------------------------------------------------------------- */

static pthread_once_t signals_once = PTHREAD_ONCE_INIT;
static bool has_signals;

static void handle_interruption(int number, siginfo_t *details, void *machine_context) {
  struct engine_thread *thread = engine_host_thread.running;
  int saved = errno;
  if (thread && atomic_load(&thread->interrupted) && !engine_interrupt_redirect(thread, machine_context)) {
    sigaddset(&((ucontext_t *)machine_context)->uc_sigmask, INTERRUPTION);
    engine_host_thread.holds_signal = true;
    engine_os_signal(engine_os_thread_number(), INTERRUPTION);
  }
  if (is_handler(&previous_interruption)) call_previous(&previous_interruption, number, details, machine_context);
  errno = saved;
}

static void forget_number(void) { engine_host_thread.number = 0; }

static void install_signals(void) {
  struct sigaction action = {.sa_sigaction = handle_interruption, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
  sigemptyset(&action.sa_mask);
  has_signals =
      pthread_atfork(NULL, NULL, forget_number) == 0 && sigaction(INTERRUPTION, &action, &previous_interruption) == 0;
}

bool engine_signals_install(void) {
  pthread_once(&signals_once, install_signals);
  return has_signals;
}

/* The number is stored before the guest looks for the first time, and read after it was told to stop. */
void engine_signals_direct(struct engine_thread *thread) {
  if (engine_host_thread.number == 0) {
    engine_host_thread.number = engine_os_thread_number();
    unblock(INTERRUPTION);
  }
  atomic_store(&thread->host_thread, engine_host_thread.number);
}

void engine_signals_send(struct engine_thread *thread) {
  int saved = errno, number = atomic_load(&thread->host_thread);
  if (number != 0) engine_os_signal(number, INTERRUPTION);
  errno = saved;
}

void engine_signals_release(void) {
  engine_host_thread.holds_signal = false;
  unblock(INTERRUPTION);
}

/* ---- The thread's signal stack -------------------------------------------------------------------------------------- */

static void signal_stack_free(void *mapping) {
  stack_t none = {.ss_flags = SS_DISABLE}, now;
  size_t page_bytes = base_os_page_bytes();
  if (sigaltstack(NULL, &now) == 0 && now.ss_sp == (char *)mapping + page_bytes) sigaltstack(&none, NULL);
  base_os_release(mapping, page_bytes + SIGNAL_STACK_BYTES);
}

static void install(void) {
  if (pthread_key_create(&stack_key, signal_stack_free) != 0) return;
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  is_installed = sigaction(SIGSEGV, &action, &previous_segv) == 0 && sigaction(SIGBUS, &action, &previous_bus) == 0;
}

bool engine_faults_install(void) {
  pthread_once(&once, install);
  return is_installed;
}

static bool signal_stack_new(void) {
  size_t page_bytes = base_os_page_bytes();
  char *mapping = base_os_reserve(page_bytes + SIGNAL_STACK_BYTES);
  if (!mapping) return false;
  stack_t stack = {.ss_sp = mapping + page_bytes, .ss_size = SIGNAL_STACK_BYTES};
  if (!base_os_commit(stack.ss_sp, SIGNAL_STACK_BYTES) || sigaltstack(&stack, NULL) != 0 ||
      pthread_setspecific(stack_key, mapping) != 0) {
    signal_stack_free(mapping);
    return false;
  }
  return true;
}

bool engine_faults_thread(void) {
  stack_t now;
  bool has_one = sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE);
  engine_host_thread.has_signal_stack = has_one || signal_stack_new();
  return engine_host_thread.has_signal_stack;
}
