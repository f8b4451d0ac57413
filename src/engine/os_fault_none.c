/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Where no tier has code that faults for bounds or has to be interrupted by a signal, there are no handlers. */
#include "engine/internal.h"

bool engine_signals_install(void) { return false; }
void engine_signals_direct(struct engine_thread *thread) { (void)thread; }
void engine_signals_send(struct engine_thread *thread) { (void)thread; }
void engine_signals_release(void) {}
bool engine_faults_install(void) { return false; }
bool engine_faults_thread(void) { return true; }
